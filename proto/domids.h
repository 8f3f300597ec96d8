// SPDX-License-Identifier: Apache-2.0
//
// Domain ids that are no guest's. Guests count from 1; 0 is the toolstack's in XenStore's
// permissions, as Domain-0 has it with Xen, and nobody's otherwise.
#pragma once

#include <cstdint>

namespace pyrene::proto {

// Back-ends, from 0x7fef downwards: what a guest grants to, and where XenStore has their homes.
inline constexpr uint16_t kXenstoreDomid = 0x7fef;
inline constexpr uint16_t kConsoleDomid = 0x7fee;
inline constexpr uint16_t kBlkbackDomid = 0x7fed;

// Connections of services with XenStore that have no home.
inline constexpr uint16_t kToolstackConnection = 0x7fe0;
inline constexpr uint16_t kVmmConnection = 0x7fe1;
inline constexpr uint16_t kXenstoreItself = 0x7fe2;

}  // namespace pyrene::proto
