// SPDX-License-Identifier: Apache-2.0
#include "runtime/clock.h"

#include <ctime>

#include "runtime/kernel/syscall.h"
#include "runtime/time_math.h"

namespace pyrene::runtime {

uint64_t MonotonicNow() { return TicksToNanoseconds(sys::Ticks(), sys::TickFrequency()); }

uint64_t WallClockNow() {
  timespec time = {};
  clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<uint64_t>(time.tv_sec) * kSecond + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace pyrene::runtime
