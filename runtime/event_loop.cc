// SPDX-License-Identifier: Apache-2.0
#include "runtime/event_loop.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"

namespace pyrene::runtime {

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create() {
  absl::StatusOr<Notification> notification = Notification::Create();
  if (!notification.ok()) return notification.status();
  return std::make_unique<EventLoop>(std::move(*notification));
}

absl::StatusOr<unsigned> EventLoop::AddSource(Handler handler) {
  const unsigned bit = static_cast<unsigned>(std::countr_one(sources_));
  if (bit == kMaxSources) return absl::ResourceExhaustedError("all 64 event sources are taken");
  if (absl::Status status = AddSourceAt(bit, std::move(handler)); !status.ok()) return status;
  return bit;
}

absl::Status EventLoop::AddSourceAt(unsigned bit, Handler handler) {
  if (bit >= kMaxSources) return absl::OutOfRangeError(absl::StrCat("event source ", bit));
  if ((sources_ >> bit & 1) != 0)
    return absl::AlreadyExistsError(absl::StrCat("event source ", bit));
  sources_ |= uint64_t{1} << bit;
  handlers_[bit] = std::move(handler);
  return absl::OkStatus();
}

void EventLoop::RemoveSource(unsigned bit) {
  if (bit >= kMaxSources) return;
  sources_ &= ~(uint64_t{1} << bit);
  handlers_[bit] = nullptr;
}

EventLoop::TimerId EventLoop::AddTimer(uint64_t deadline, Handler handler) {
  const TimerId timer = next_timer_++;
  timers_.emplace(TimerKey(deadline, timer), std::move(handler));
  deadlines_.emplace(timer, deadline);
  return timer;
}

void EventLoop::CancelTimer(TimerId timer) {
  const auto found = deadlines_.find(timer);
  if (found == deadlines_.end()) return;
  timers_.erase(TimerKey(found->second, timer));
  deadlines_.erase(found);
}

absl::Status EventLoop::RunOnce(uint64_t deadline) {
  if (!timers_.empty()) deadline = std::min(deadline, timers_.begin()->first.first);
  // Bits without a source are taken too: a source that is added later must not find an old signal.
  absl::StatusOr<uint64_t> bits = notification_.Wait(kAllBits, deadline);
  if (!bits.ok() && !absl::IsDeadlineExceeded(bits.status())) return bits.status();
  for (uint64_t left = bits.ok() ? *bits & sources_ : 0; left != 0; left &= left - 1) {
    const int bit = std::countr_zero(left);
    if ((sources_ >> bit & 1) == 0) continue;  // removed by a handler of this round
    // Called as a copy: the handler may remove itself.
    const Handler handler = handlers_[bit];
    handler();
  }
  RunTimers();
  return absl::OkStatus();
}

void EventLoop::RunTimers() {
  if (timers_.empty()) return;
  const uint64_t now = MonotonicNow();
  // Timers that handlers add are for the next round, even if they are due: the sources have their
  // turn first.
  const TimerId fresh = next_timer_;
  while (!timers_.empty()) {
    const auto first = std::find_if(timers_.begin(), timers_.end(),
                                    [&](const auto& t) { return t.first.second < fresh; });
    if (first == timers_.end() || first->first.first > now) return;
    const Handler handler = std::move(first->second);
    deadlines_.erase(first->first.second);
    timers_.erase(first);
    handler();
  }
}

absl::Status EventLoop::Run() {
  stopped_ = false;
  while (!stopped_) {
    if (absl::Status status = RunOnce(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pyrene::runtime
