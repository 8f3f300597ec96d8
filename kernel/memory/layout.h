// SPDX-License-Identifier: Apache-2.0
//
// Page arithmetic. EL2 maps what it uses at its physical address, so an address of the kernel is a
// physical address.
#pragma once

#include <cstdint>

namespace pyrene {

inline constexpr uint64_t kPageShift = 12;
inline constexpr uint64_t kPageBytes = uint64_t{1} << kPageShift;
inline constexpr uint64_t kBlockBytes = uint64_t{2} << 20;  // a level-2 block

constexpr uint64_t PageFloor(uint64_t address) { return address & ~(kPageBytes - 1); }
constexpr uint64_t PageCeil(uint64_t address) { return PageFloor(address + kPageBytes - 1); }
constexpr bool PageAligned(uint64_t address) { return (address & (kPageBytes - 1)) == 0; }

inline uint64_t PhysicalOf(const void* kernel_address) {
  return reinterpret_cast<uint64_t>(kernel_address);
}
template <typename T>
T* KernelPointer(uint64_t physical) {
  return reinterpret_cast<T*>(physical);
}

}  // namespace pyrene
