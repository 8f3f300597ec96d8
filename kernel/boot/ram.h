// SPDX-License-Identifier: Apache-2.0
//
// Free RAM at boot: what the device tree lists, less what is reserved, handed out from the top.
#pragma once

#include <cstdint>

#include "kernel/boot/machine.h"

namespace pyrene {

class BootRam final {
 public:
  bool Add(PhysicalRange range);
  // Takes [base, +bytes) out; page granular, outwards.
  bool Reserve(uint64_t base, uint64_t bytes);
  // The highest free `bytes` at `alignment`; 0: none.
  [[nodiscard]] uint64_t Allocate(uint64_t bytes, uint64_t alignment);
  const RangeList<32>& free() const { return free_; }

 private:
  RangeList<32> free_;
};

}  // namespace pyrene
