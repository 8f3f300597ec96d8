// SPDX-License-Identifier: Apache-2.0
//
// A service that answers its heartbeats for a while, and then computes for ever.
#include <cstdlib>
#include <utility>

#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/log.h"
#include "runtime/service.h"
#include "services/init/client/supervision_client.h"

namespace pyrene {
namespace {

constexpr uint64_t kGoodFor = 3 * runtime::kSecond;

absl::Status Run() {
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
  const uint64_t until = runtime::MonotonicNow() + kGoodFor;
  while (runtime::MonotonicNow() < until) {
    if (absl::Status s = loop.RunOnce(until); !s.ok()) return s;
  }
  runtime::LogInfo("hangs now");
  for (volatile uint64_t turns = 0;;) turns = turns + 1;
}

}  // namespace
}  // namespace pyrene

int main() {
  pyrene::runtime::LogError(pyrene::Run().message());
  return EXIT_FAILURE;
}
