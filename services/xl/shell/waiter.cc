// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/waiter.h"

#include <algorithm>

#include "runtime/log.h"

namespace pyrene::xl {

absl::Status Waiter::Until(const std::function<bool()>& done, uint64_t deadline, CtrlC ctrl_c) {
  deadline = std::min(deadline, limit_);
  while (!done()) {
    if (stopped_ || (interrupted_ && ctrl_c == CtrlC::kEnds)) return absl::CancelledError();
    if (deadline != runtime::kNever && runtime::MonotonicNow() >= deadline)
      return absl::DeadlineExceededError("");
    if (absl::Status status = loop_.RunOnce(deadline); !status.ok()) {
      runtime::LogError("event loop: ", status.message());
      Stop();
    }
  }
  return absl::OkStatus();
}

}  // namespace pyrene::xl
