// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/personality/linux_calls.h"
#include "runtime/kernel/personality/process.h"
#include "runtime/kernel/syscall.h"
#include "runtime/start_info.h"
#include "runtime/time_math.h"

namespace pyrene::personality {
namespace {

constexpr int64_t kSecond = static_cast<int64_t>(kNanosecondsPerSecond);
// Beyond it nanoseconds overflow 63 bits; a wait of 292 years is as good as for ever.
constexpr int64_t kMaxSeconds = INT64_MAX / kSecond - 1;

void Store(uint64_t ns, linux_abi::Timespec* time) {
  time->seconds = static_cast<int64_t>(ns / kNanosecondsPerSecond);
  time->nanoseconds = static_cast<int64_t>(ns % kNanosecondsPerSecond);
}

}  // namespace

int64_t RealtimeOffset() {
  const auto* start = reinterpret_cast<const volatile StartInfo*>(kStartInfoAddress);
  if (start->magic == StartInfo::kMagic) return start->realtime_offset_ns;
  return TheProcess().realtime_offset_ns.load(std::memory_order_relaxed);
}

int64_t ClockGettime(const ThreadControl& self, uint64_t clock, linux_abi::Timespec* time) {
  const uint64_t hz = sys::TickFrequency();
  switch (clock) {
    case linux_abi::kRealtime:
    case linux_abi::kRealtimeCoarse:
      Store(TicksToNanoseconds(sys::Ticks(), hz) + static_cast<uint64_t>(RealtimeOffset()), time);
      return 0;
    case linux_abi::kMonotonic:
    case linux_abi::kMonotonicRaw:
    case linux_abi::kMonotonicCoarse:
    case linux_abi::kBoottime:
      Store(TicksToNanoseconds(sys::Ticks(), hz), time);
      return 0;
    case linux_abi::kProcessCpuTime: {
      const sys::Account account = sys::DomainAccount(kSelfDomainCap);
      if (account.status != Status::kOk) return -linux_abi::kEINVAL;
      Store(TicksToNanoseconds(account.cpu_ticks, hz), time);
      return 0;
    }
    case linux_abi::kThreadCpuTime: {
      const sys::ThreadFacts facts = sys::ThreadInfo(self.thread);
      if (facts.status != Status::kOk) return -linux_abi::kEINVAL;
      Store(TicksToNanoseconds(facts.cpu_ticks, hz), time);
      return 0;
    }
    default:
      return -linux_abi::kEINVAL;
  }
}

int64_t Gettimeofday(linux_abi::Timeval* time) {
  const uint64_t now = TicksToNanoseconds(sys::Ticks(), sys::TickFrequency()) +
                       static_cast<uint64_t>(RealtimeOffset());
  if (time == nullptr) return 0;
  time->seconds = static_cast<int64_t>(now / kNanosecondsPerSecond);
  time->microseconds = static_cast<int64_t>(now % kNanosecondsPerSecond / 1000);
  return 0;
}

int64_t ClockGetres(linux_abi::Timespec* time) {
  if (time != nullptr) Store(kNanosecondsPerSecond / sys::TickFrequency() + 1, time);
  return 0;
}

bool DeadlineOf(const linux_abi::Timespec& time, bool relative, bool realtime, uint64_t& ticks) {
  if (time.seconds < 0 || time.nanoseconds < 0 || time.nanoseconds >= kSecond) return false;
  const int64_t seconds = time.seconds < kMaxSeconds ? time.seconds : kMaxSeconds;
  int64_t ns = seconds * kSecond + time.nanoseconds;
  const uint64_t hz = sys::TickFrequency();
  if (relative) {
    const uint64_t now = sys::Ticks();
    const uint64_t span = NanosecondsToTicks(static_cast<uint64_t>(ns), hz);
    ticks = span < kNoDeadline - 1 - now ? now + span : kNoDeadline - 1;
    return true;
  }
  if (realtime && __builtin_sub_overflow(ns, RealtimeOffset(), &ns)) ns = INT64_MAX;
  // A time before the counter began has passed: kPoll.
  ticks = ns <= 0 ? kPoll : NanosecondsToTicks(static_cast<uint64_t>(ns), hz);
  return true;
}

int64_t ClockNanosleep(ThreadControl& self, uint64_t clock, uint64_t flags,
                       const linux_abi::Timespec* time) {
  uint64_t deadline = 0;
  const bool relative = (flags & linux_abi::kTimerAbsolute) == 0;
  if (!DeadlineOf(*time, relative, clock == linux_abi::kRealtime, deadline))
    return -linux_abi::kEINVAL;
  if (!EnsureNotification(self)) return -linux_abi::kENOMEM;
  static_cast<void>(sys::NotificationWait(self.notification, wake_bits::kNever, deadline));
  return 0;
}

}  // namespace pyrene::personality
