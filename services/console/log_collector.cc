// SPDX-License-Identifier: Apache-2.0
#include "services/console/log_collector.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/clock.h"

namespace pyrene::console {
namespace {

// Short, because allowance is used up by whole batches of lines with their stamps.
constexpr size_t kBatchBytes = 512;
constexpr uint64_t kBurstBytes = 16384;
constexpr uint64_t kBytesPerSecond = 4096;
constexpr unsigned kMaxLastBatches = 128;  // a log ring of 64 KiB
constexpr size_t kMaxText = 512;           // of a line; what is longer becomes several

// Whether `text` begins as the runtime's lines do ("W name: "), and honestly.
bool SaysWhose(absl::string_view text, absl::string_view name) {
  return text.size() > 2 && absl::StrContains("IWE", text.substr(0, 1)) &&
         absl::StartsWith(text.substr(1), absl::StrCat(" ", name, ": "));
}

}  // namespace

std::string LogStamp(uint64_t now) {
  char stamp[48];
  std::snprintf(stamp, sizeof(stamp), "(PYR) [%5" PRIu64 ".%06" PRIu64 "] ", now / runtime::kSecond,
                now % runtime::kSecond / runtime::kMicrosecond);
  return stamp;
}

void LogCollector::AddKernel(runtime::Memory log) {
  if (log.size() < sizeof(KernelLog)) return;
  uint64_t* const position = journal_.TakePosition(kKernel);
  const KernelLogReader reader(reinterpret_cast<const KernelLog*>(log.data()),
                               position == nullptr ? 0 : *position);
  sources_.insert_or_assign(std::string(kKernel),
                            Source{std::move(log), reader, position, "", 0, 0});
}

void LogCollector::AddService(const std::string& name, runtime::Memory ring) {
  if (name == kKernel || sources_.contains(name)) return;
  uint64_t* const position = journal_.TakePosition(name);
  const runtime::LogReader reader(ring.data(), ring.size(), position == nullptr ? 0 : *position);
  sources_.emplace(name, Source{std::move(ring), reader, position, "", kBurstBytes, 0});
}

void LogCollector::RemoveService(const std::string& name, uint64_t now) {
  const auto found = sources_.find(name);
  if (found == sources_.end()) return;
  for (unsigned i = 0; i < kMaxLastBatches; ++i) {
    if (!CollectFrom(name, found->second, now)) break;
  }
  if (!found->second.partial.empty()) AddLine(name, found->second.partial, now);
  sources_.erase(found);
  journal_.FreePosition(name);
}

bool LogCollector::Collect(uint64_t now, bool signalled) {
  // The kernel's lines have their own stamps, which are older than `now`: all of them first.
  const auto kernel = sources_.find(std::string(kKernel));
  while (kernel != sources_.end() && CollectFrom(kernel->first, kernel->second, now)) {
  }
  if (!signalled) return false;
  bool more = false;
  for (auto& [name, source] : sources_) more = CollectFrom(name, source, now) || more;
  return more;
}

bool LogCollector::CollectFrom(const std::string& name, Source& source, uint64_t now) {
  const bool kernel = name == kKernel;
  if (!kernel) {
    const uint64_t elapsed = std::min(now - source.refilled, 10 * runtime::kSecond);
    const uint64_t earned = elapsed * kBytesPerSecond / runtime::kSecond;
    if (earned != 0) {
      source.allowance = std::min(source.allowance + earned, kBurstBytes);
      source.refilled = now;
    }
    if (source.allowance == 0) return false;
  }
  absl::StatusOr<runtime::LogReader::Text> text =
      std::visit([&](auto& reader) { return reader.Read(kBatchBytes); }, source.reader);
  if (!text.ok() || (text->bytes.empty() && text->lost == 0)) return false;
  const uint64_t before = store_.end();
  if (text->lost != 0) {
    source.partial.clear();
    AddLine(name, absl::StrCat("[", text->lost, " bytes lost]"), now);
  }
  for (const char c : text->bytes) {
    if (c != '\n') source.partial.push_back(c);
    if (c == '\n' || source.partial.size() == kMaxText) {
      AddLine(name, source.partial, now);
      source.partial.clear();
    }
  }
  if (source.position != nullptr) {
    const uint64_t position =
        std::visit([](auto& reader) { return reader.position(); }, source.reader);
    Commit(*source.position, position - source.partial.size());
  }
  source.allowance -= std::min(source.allowance, store_.end() - before);
  return text->bytes.size() == kBatchBytes;
}

void LogCollector::AddLine(const std::string& name, absl::string_view text, uint64_t now) {
  if (text.empty()) return;
  std::string line;
  if (name != kKernel) {
    line = LogStamp(now);
    if (!SaysWhose(text, name)) absl::StrAppend(&line, "I ", name, ": ");
  } else if (!absl::StartsWith(text, "(PYR) ")) {
    line = LogStamp(now);
  }
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    line.push_back(control ? '?' : c);
  }
  line.push_back('\n');
  store_.Append(line);
}

}  // namespace pyrene::console
