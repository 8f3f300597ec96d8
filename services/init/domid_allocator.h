// SPDX-License-Identifier: Apache-2.0
//
// Guests' numbers: 1 upwards, none again before all others were used.
#pragma once

#include <cstdint>

namespace pyrene::init {

class DomidAllocator {
 public:
  // Back-ends count from 0x7fef downwards (DESIGN 5); 16 are kept for them.
  static constexpr uint16_t kLast = 0x7fdf;

  // `taken(domid)`: fewer than kLast are.
  template <typename Taken>
  uint16_t Next(Taken taken) {
    do {
      last_ = last_ == kLast ? 1 : static_cast<uint16_t>(last_ + 1);
    } while (taken(last_));
    return last_;
  }

 private:
  uint16_t last_ = 0;
};

}  // namespace pyrene::init
