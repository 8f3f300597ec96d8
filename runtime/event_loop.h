// SPDX-License-Identifier: Apache-2.0
//
// The event loop of a service: one notification whose 64 bits are its event sources, and timers.
// Single-threaded: everything is called on the thread that runs it; other threads and domains reach
// it by signalling bits of notification().
//
// Order of one round: handlers of set bits, lowest bit first, then timers that are due, earliest
// first. A handler may add and remove sources and timers, its own included, and Stop. A handler is
// called once for any number of signals, so it handles all there is; and sometimes without anything
// to do.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/notification.h"

namespace pyrene::runtime {

class EventLoop {
 public:
  using Handler = std::function<void()>;
  using TimerId = uint64_t;  // 0 names none

  static constexpr unsigned kMaxSources = 64;

  // With a notification of its own.
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create();
  // With one that the creator gave, whose bits peers know already.
  explicit EventLoop(Notification notification) : notification_(std::move(notification)) {}

  const Notification& notification() const { return notification_; }

  // The lowest free bit; ResourceExhausted when all 64 are taken.
  absl::StatusOr<unsigned> AddSource(Handler handler);
  // A bit that init's manifest fixes: below 64 and free.
  absl::Status AddSourceAt(unsigned bit, Handler handler);
  void RemoveSource(unsigned bit);

  // `deadline` on the monotonic clock. Called once.
  TimerId AddTimer(uint64_t deadline, Handler handler);
  // Harmless for one that has fired.
  void CancelTimer(TimerId timer);

  // Waits for one round, at most until `deadline`. An error is the notification's: the loop can not
  // go on.
  absl::Status RunOnce(uint64_t deadline = kNever);
  // Rounds until Stop.
  absl::Status Run();
  void Stop() { stopped_ = true; }

 private:
  using TimerKey = std::pair<uint64_t, TimerId>;  // deadline, then order of creation

  void RunTimers();

  Notification notification_;
  std::array<Handler, kMaxSources> handlers_;
  uint64_t sources_ = 0;
  std::map<TimerKey, Handler> timers_;
  std::map<TimerId, uint64_t> deadlines_;
  TimerId next_timer_ = 1;
  bool stopped_ = false;
};

}  // namespace pyrene::runtime
