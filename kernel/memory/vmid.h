// SPDX-License-Identifier: Apache-2.0
//
// VMIDs: 8 bits on the Cortex-A72 (VTCR_EL2.VS = 0). 0 is not used, so 255 domains live at once.
// Under the structure lock.
#pragma once

#include <cstdint>

namespace pyrene {

inline constexpr unsigned kVmids = 256;

// 0: none is free.
[[nodiscard]] unsigned AllocateVmid();
// Its TLB entries must be gone (arch::InvalidateTlbContext).
void FreeVmid(unsigned vmid);

}  // namespace pyrene
