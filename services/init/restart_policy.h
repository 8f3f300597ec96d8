// SPDX-License-Identifier: Apache-2.0
//
// When a service that ended is started again, and when one that lives is taken for dead. Times are
// nanoseconds on the monotonic clock.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/clock.h"

namespace pyrene::init {

// The wait before a restart: doubles with every end up to a limit, and starts over after a life of
// a minute.
class Backoff {
 public:
  Backoff(uint64_t first_ms, uint64_t most_ms)
      : first_(first_ms * runtime::kMillisecond),
        most_(std::max(first_ms, most_ms) * runtime::kMillisecond),
        next_(first_) {}

  // How long to wait after a life of `lived`.
  uint64_t After(uint64_t lived) {
    if (lived >= kGoodLife) next_ = first_;
    const uint64_t wait = next_;
    next_ = std::min(next_ * 2, most_);
    return wait;
  }

 private:
  static constexpr uint64_t kGoodLife = 60 * runtime::kSecond;
  uint64_t first_;
  uint64_t most_;
  uint64_t next_;
};

// One ping per period, to be answered before the next. Until a service says that it is ready, the
// first period is longer: it adopts its former life's state before it looks at its channel.
class Heartbeat {
 public:
  // `period_ms` 0: the service is not asked, and Due never comes.
  explicit Heartbeat(uint64_t period_ms) : period_(period_ms * runtime::kMillisecond) {}

  // A life begins.
  void Start(uint64_t now) {
    answered_ = asked_;
    due_ = period_ == 0 ? runtime::kNever : now + std::max(period_, kFirstPeriod);
    first_ = true;
  }
  // It has adopted what it had to: the first ping comes after one period.
  void Ready(uint64_t now) {
    if (first_ && due_ != runtime::kNever) due_ = std::min(due_, now + period_);
  }
  void Stop() { due_ = runtime::kNever; }

  uint64_t due() const { return due_; }
  // At due(): false if the ping of the former period was not answered, else the next one is to be
  // sent. In the first period there was none: then the service has to be `alive` in another way.
  bool Next(uint64_t now, bool alive) {
    if (asked_ != answered_ || (first_ && !alive)) return false;
    first_ = false;
    ++asked_;
    due_ = now + period_;
    return true;
  }
  // It could not run: the period begins again.
  void Postpone(uint64_t now) { due_ = now + period_; }
  // The number of the ping to send.
  uint64_t number() const { return asked_; }
  void Pong(uint64_t number) {
    if (number == asked_) answered_ = number;
  }

 private:
  static constexpr uint64_t kFirstPeriod = 10 * runtime::kSecond;
  uint64_t period_;
  uint64_t due_ = runtime::kNever;
  uint64_t asked_ = 0;
  uint64_t answered_ = 0;
  bool first_ = true;
};

}  // namespace pyrene::init
