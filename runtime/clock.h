// SPDX-License-Identifier: Apache-2.0
//
// Time in nanoseconds. Deadlines are absolute on the monotonic clock, which all domains share.
#pragma once

#include <cstdint>

namespace pyrene::runtime {

inline constexpr uint64_t kNever = ~uint64_t{0};
inline constexpr uint64_t kNow = 0;  // as a deadline: do not wait

inline constexpr uint64_t kMicrosecond = 1'000;
inline constexpr uint64_t kMillisecond = 1'000'000;
inline constexpr uint64_t kSecond = 1'000'000'000;

// Since the counter's start; never runs backwards.
uint64_t MonotonicNow();

// Since 1970-01-01 00:00 UTC; jumps when the clock is set.
uint64_t WallClockNow();

}  // namespace pyrene::runtime
