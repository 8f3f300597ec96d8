// SPDX-License-Identifier: Apache-2.0
//
// A device's registers. Only the device's own enum of offsets is accepted.
#pragma once

#include <cstdint>

namespace pyrene::arch {

template <typename Register>
class MmioRegion {
 public:
  constexpr MmioRegion() = default;
  explicit MmioRegion(uint64_t base) : base_(base) {}

  uint32_t Read(Register reg, uint32_t index = 0) const {
    return *reinterpret_cast<volatile uint32_t*>(Address(reg) + index * 4);
  }
  void Write(Register reg, uint32_t value) const { WriteAt(reg, 0, value); }
  void WriteAt(Register reg, uint32_t index, uint32_t value) const {
    *reinterpret_cast<volatile uint32_t*>(Address(reg) + index * 4) = value;
  }
  void WriteByte(Register reg, uint32_t index, uint8_t value) const {
    *reinterpret_cast<volatile uint8_t*>(Address(reg) + index) = value;
  }

 private:
  uint64_t Address(Register reg) const { return base_ + static_cast<uint32_t>(reg); }
  uint64_t base_ = 0;
};

}  // namespace pyrene::arch
