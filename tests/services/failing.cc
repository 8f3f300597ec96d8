// SPDX-License-Identifier: Apache-2.0
//
// A service that answers its heartbeats for a while, and then, as its argument says, hangs, faults
// or exits; or flips a bit in the last record of the journal that it was given by mistake, at the
// start of each life but the first.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/log.h"
#include "runtime/memory.h"
#include "runtime/service.h"
#include "services/init/client/supervision_client.h"

namespace pyrene {
namespace {

constexpr uint64_t kGoodFor = 3 * runtime::kSecond;
constexpr uintptr_t kNowhere = 0x7000000123;

// By the layout in services/journal/log.h.
absl::Status Damage() {
  auto journal =
      runtime::Memory::Map(runtime::FindCapability("journal"), runtime::Access::kReadWrite);
  if (!journal.ok()) return journal.status();
  auto* const words = reinterpret_cast<uint64_t*>(journal->data());
  const uint64_t state = words[2];
  const uint64_t half = (journal->size() - 64) / 2 / 8;
  words[8 + (state >> 32 & 1) * half + (state >> 40) - 1] ^= 16;
  return absl::OkStatus();
}

absl::Status Serve(bool damages) {
  const NamedCapability* const events = runtime::FindNamed("events");
  if (events == nullptr) return absl::NotFoundError("no capability events");
  runtime::EventLoop loop(runtime::Notification::Adopt(events->cap));
  auto supervision = init::SupervisionClient::Open({});
  if (!supervision.ok()) return supervision.status();
  if (absl::Status s = loop.AddSourceAt((*supervision)->bit(), [&] { (*supervision)->OnWake(); });
      !s.ok())
    return s;
  (*supervision)->Ready();
  (*supervision)->OnWake();
  if (damages && runtime::Service().generation > 1) {
    if (absl::Status s = Damage(); !s.ok()) return s;
  }
  const uint64_t until = damages ? runtime::kNever : runtime::MonotonicNow() + kGoodFor;
  while (runtime::MonotonicNow() < until) {
    if (absl::Status s = loop.RunOnce(until); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace

// In no anonymous namespace: a log line names it.
[[gnu::noinline]] void ReadNowhere() {
  static_cast<void>(*reinterpret_cast<const volatile uint8_t*>(kNowhere));
}

}  // namespace pyrene

int main(int count, char** arguments) {
  const std::string_view end = count == 2 ? arguments[1] : "";
  const absl::Status status = pyrene::Serve(end == "damages");
  if (!status.ok()) pyrene::runtime::LogError(status.message());
  pyrene::runtime::LogInfo("ends now: ", std::string(end));
  if (end == "faults") pyrene::ReadNowhere();
  if (end == "hangs") {
    for (volatile uint64_t turns = 0;;) turns = turns + 1;
  }
  return 7;
}
