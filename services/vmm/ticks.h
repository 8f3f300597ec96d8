// SPDX-License-Identifier: Apache-2.0
//
// Counter ticks to nanoseconds and back, without division on the way: a multiplication by a 64.64
// fixed-point factor.
#pragma once

#include <cstdint>

namespace pyrene::vmm {

class TickScale {
 public:
  // `frequency` in Hz, not 0. Exact to 1 ns in 2^32 s for frequencies of 1 MHz to 1 GHz.
  constexpr explicit TickScale(uint64_t frequency)
      : ns_whole_(kNsPerSecond / frequency),
        ns_part_(static_cast<uint64_t>((Wide{kNsPerSecond % frequency} << 64) / frequency)),
        frequency_(frequency) {}

  constexpr uint64_t ToNs(uint64_t ticks) const {
    return ticks * ns_whole_ + static_cast<uint64_t>(Wide{ticks} * ns_part_ >> 64);
  }
  // Rounded up: a deadline is never early. Saturates.
  constexpr uint64_t ToTicks(uint64_t ns) const {
    const Wide ticks = (Wide{ns} * frequency_ + kNsPerSecond - 1) / kNsPerSecond;
    return ticks > ~uint64_t{0} ? ~uint64_t{0} : static_cast<uint64_t>(ticks);
  }

 private:
  using Wide = unsigned __int128;
  static constexpr uint64_t kNsPerSecond = 1'000'000'000;

  uint64_t ns_whole_;
  uint64_t ns_part_;
  uint64_t frequency_;
};

}  // namespace pyrene::vmm
