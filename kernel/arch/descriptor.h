// SPDX-License-Identifier: Apache-2.0
//
// VMSAv8-64 descriptors, 4 KiB granule (DDI 0487, D5.3): what stage 1 of EL2 and stage 2 share, and
// the attributes of each.
#pragma once

#include <cstdint>

#include "kernel/arch/sysreg.h"

namespace pyrene::arch {

namespace descriptor {
inline constexpr uint64_t kValid = 1;
inline constexpr uint64_t kTableOrPage = 2;  // table at levels 1 and 2, page at level 3
inline constexpr uint64_t kAddressMask = 0x0000fffffffff000;

constexpr bool Valid(uint64_t entry) { return (entry & kValid) != 0; }
constexpr bool IsTable(uint64_t entry, unsigned level) {
  return level < 3 && (entry & 3) == (kValid | kTableOrPage);
}
constexpr uint64_t Address(uint64_t entry) { return entry & kAddressMask; }
constexpr uint64_t Table(uint64_t address) { return address | kValid | kTableOrPage; }
constexpr uint64_t Leaf(uint64_t address, unsigned level, uint64_t attributes) {
  return address | attributes | kValid | (level == 3 ? kTableOrPage : 0);
}

inline constexpr uint64_t kInnerShareable = 3u << 8;
inline constexpr uint64_t kAccessFlag = 1u << 10;
inline constexpr uint64_t kExecuteNever = uint64_t{1} << 54;
}  // namespace descriptor

// Stage 1 of EL2. AP[2:1]: bit 7 read-only; bit 6 is RES1.
namespace el2_attributes {
inline constexpr uint64_t kCommon =
    descriptor::kAccessFlag | descriptor::kInnerShareable | 1u << 6 | kMairNormal << 2;
inline constexpr uint64_t kReadOnly = 1u << 7;
inline constexpr uint64_t kText = kCommon | kReadOnly;
inline constexpr uint64_t kRodata = kCommon | kReadOnly | descriptor::kExecuteNever;
inline constexpr uint64_t kData = kCommon | descriptor::kExecuteNever;
inline constexpr uint64_t kDevice =
    descriptor::kAccessFlag | 1u << 6 | kMairDevice << 2 | descriptor::kExecuteNever;
}  // namespace el2_attributes

// Stage 2. MemAttr[5:2]: 0b1111 Normal write-back, 0b0001 Device-nGnRE; S2AP[7:6]: bit 6 read, bit
// 7 write.
namespace stage2_attributes {
inline constexpr uint64_t kNormal =
    0xfu << 2 | descriptor::kInnerShareable | descriptor::kAccessFlag;
inline constexpr uint64_t kDevice = 0x1u << 2 | descriptor::kAccessFlag;
inline constexpr uint64_t kRead = 1u << 6;
inline constexpr uint64_t kWrite = 1u << 7;
}  // namespace stage2_attributes

}  // namespace pyrene::arch
