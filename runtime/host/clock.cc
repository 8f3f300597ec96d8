// SPDX-License-Identifier: Apache-2.0
#include "runtime/clock.h"

#include <ctime>

namespace pyrene::runtime {
namespace {

uint64_t Read(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * kSecond + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

uint64_t MonotonicNow() { return Read(CLOCK_MONOTONIC); }

uint64_t WallClockNow() { return Read(CLOCK_REALTIME); }

}  // namespace pyrene::runtime
