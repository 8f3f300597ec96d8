// SPDX-License-Identifier: Apache-2.0
//
// Waiting inside a command. The shell has one thread: a command that waits runs the service's event
// loop until what it waits for has happened, so pings are answered, input arrives and Ctrl-C is
// seen meanwhile. Handlers of the event loop only take notes; they never call Until.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "runtime/event_loop.h"

namespace pyrene::xl {

class Waiter {
 public:
  enum class CtrlC : uint8_t { kEnds, kIsHeld };

  explicit Waiter(runtime::EventLoop& loop) : loop_(loop) {}

  runtime::EventLoop& loop() { return loop_; }

  // Runs the event loop until `done` answers true, which is asked before and after each round.
  // `deadline` on the monotonic clock. Cancelled: Ctrl-C, now or earlier in this command, or Stop;
  // DeadlineExceeded. Both without a text for the user.
  absl::Status Until(const std::function<bool()>& done, uint64_t deadline,
                     CtrlC ctrl_c = CtrlC::kEnds);

  // Ctrl-C was typed. Stays set until ClearInterrupt, so that a command ends soon whatever it
  // waits for next.
  void Interrupt() { interrupted_ = true; }
  void ClearInterrupt() { interrupted_ = false; }
  bool interrupted() const { return interrupted_; }

  // The service ends: nothing waits any more.
  void Stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

  // While one is alive, no Until waits beyond `deadline`.
  class Limit {
   public:
    Limit(Waiter& waiter, uint64_t deadline) : waiter_(waiter), former_(waiter.limit_) {
      waiter_.limit_ = deadline;
    }
    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;
    ~Limit() { waiter_.limit_ = former_; }

   private:
    Waiter& waiter_;
    uint64_t former_;
  };

 private:
  runtime::EventLoop& loop_;
  uint64_t limit_ = runtime::kNever;
  bool interrupted_ = false;
  bool stopped_ = false;
};

}  // namespace pyrene::xl
