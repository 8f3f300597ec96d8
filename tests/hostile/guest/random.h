// SPDX-License-Identifier: Apache-2.0
//
// Numbers that follow from a seed (SplitMix64, Steele et al. 2014), so that a run can be repeated.
#pragma once

#include <cstdint>

namespace pyrene::hostile {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  // 0 to limit - 1.
  uint64_t Below(uint64_t limit) { return Next() % limit; }
  // True once in so many times.
  bool OneIn(uint64_t times) { return Below(times) == 0; }
  template <typename T, unsigned kCount>
  T Pick(const T (&from)[kCount]) {
    return from[Below(kCount)];
  }
  // A number as programs get wrong: small, around a power of two or its complement, or anything.
  uint64_t Number() {
    switch (Below(5)) {
      case 0:
        return Below(16);
      case 1:
        return (uint64_t{1} << Below(64)) + Below(3) - 1;
      case 2:
        return ~(uint64_t{1} << Below(64));
      case 3:
        return ~Below(40);
      default:
        return Next();
    }
  }

 private:
  uint64_t state_;
};

}  // namespace pyrene::hostile
