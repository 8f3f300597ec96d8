// SPDX-License-Identifier: Apache-2.0
//
// The longest of many waits: those that met the kills.
#pragma once

#include <cstdint>

namespace pyrene::guest::bench {

// How often somebody is killed.
inline constexpr unsigned kKills = 11;

class Longest {
 public:
  void Add(uint64_t ticks) {
    if (ticks <= ticks_[0]) return;
    unsigned at = 0;
    for (; at + 1 < kKills && ticks_[at + 1] < ticks; ++at) ticks_[at] = ticks_[at + 1];
    ticks_[at] = ticks;
  }
  uint64_t median() const { return ticks_[kKills / 2]; }
  uint64_t worst() const { return ticks_[kKills - 1]; }

 private:
  uint64_t ticks_[kKills] = {};  // ascending
};

}  // namespace pyrene::guest::bench
