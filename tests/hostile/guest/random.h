// SPDX-License-Identifier: Apache-2.0
//
// Numbers that a seed determines: a failure is replayed by its seed.
#pragma once

#include <cstdint>

namespace pyrene::guest::hostile {

class Random {
 public:
  explicit constexpr Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}

  uint64_t Next() {  // xorshift64*
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1d;
  }
  uint64_t Below(uint64_t bound) { return (Next() >> 16) % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  uint64_t state_;
};

}  // namespace pyrene::guest::hostile
