// SPDX-License-Identifier: Apache-2.0
//
// Counter ticks and nanoseconds, without 128-bit division: seconds and remainder are converted
// apart, and the remainder times 10^9 fits 64 bits for every frequency below 2^34 Hz.
#pragma once

#include <cstdint>

namespace pyrene {

inline constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;

// Saturates at ~0 (runtime::kNever), in the last second of 584 years.
constexpr uint64_t TicksToNanoseconds(uint64_t ticks, uint64_t hz) {
  if (ticks / hz >= ~uint64_t{0} / kNanosecondsPerSecond) return ~uint64_t{0};
  return ticks / hz * kNanosecondsPerSecond + ticks % hz * kNanosecondsPerSecond / hz;
}

// Rounds up, so that a wait is never short. Saturates at `~0 - 1`: a deadline that far never comes,
// yet is not kNoDeadline.
constexpr uint64_t NanosecondsToTicks(uint64_t ns, uint64_t hz) {
  const uint64_t seconds = ns / kNanosecondsPerSecond;
  const uint64_t rest =
      (ns % kNanosecondsPerSecond * hz + kNanosecondsPerSecond - 1) / kNanosecondsPerSecond;
  if (seconds > (~uint64_t{0} - 1 - rest) / hz) return ~uint64_t{0} - 1;
  return seconds * hz + rest;
}

}  // namespace pyrene
