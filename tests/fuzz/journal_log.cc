// SPDX-License-Identifier: Apache-2.0
//
// A journal's memory with any bytes in it: what is read lies within it, and what is salvaged can be
// written anew and read again.
#include <cstring>
#include <vector>

#include "services/journal/log.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using pyrene::fuzz::Require;
  using pyrene::journal::Log;
  constexpr size_t kBytes = 2048;
  std::vector<uint64_t> memory(kBytes / sizeof(uint64_t));
  std::memcpy(memory.data(), data, std::min(bytes, kBytes));
  const auto inside = [&](Log::Record record) {
    Require(record.data() > memory.data() &&
            record.data() + record.size() <= memory.data() + memory.size());
    return absl::OkStatus();
  };
  if (auto log = Log::Open(memory.data(), kBytes); log.ok()) {
    static_cast<void>(log->Replay(inside));
    Require(log->used() <= log->capacity());
  }
  auto log = Log::OpenDamaged(memory.data(), kBytes);
  if (!log.ok()) return 0;
  std::vector<std::vector<uint64_t>> kept;
  log->Salvage([&](Log::Record record) {
    kept.emplace_back(record.begin(), record.end());
    return inside(record);
  });
  log->BeginCompaction();
  for (const auto& record : kept) Require(log->Append(record));
  log->Commit();
  size_t read = 0;
  auto again = Log::Open(memory.data(), kBytes);
  Require(again.ok());
  Require(again
              ->Replay([&](Log::Record record) {
                Require(read < kept.size() &&
                        std::vector(record.begin(), record.end()) == kept[read]);
                ++read;
                return absl::OkStatus();
              })
              .ok());
  Require(read == kept.size());
  return 0;
}
