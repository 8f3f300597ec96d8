// SPDX-License-Identifier: Apache-2.0
//
// Offers (supervision.capnp, ChannelOffer) whose Memory is no channel but one page with a guest's
// own ring, in the layout that the Xen interface prescribes. The page belongs to init; the guest
// writes to it at any time.
#pragma once

#include <cstdint>

namespace pyrene::proto {

// In ChannelOffer.schemaId. Not a schema's number: those have bit 63 set.
inline constexpr uint64_t kPvConsoleRing = 0x5056434f4e530001;   // to console
inline constexpr uint64_t kPvXenstoreRing = 0x505658454e530001;  // to xenstore
inline constexpr uint64_t kRamDisk =
    0x5052414d44534b01;  // to a VMM: a piece of its guest's RAM disk; there is nobody to wake
inline constexpr uint64_t kServiceLog =
    0x5053564c4f470001;  // to console, read-only; there is nobody to wake

}  // namespace pyrene::proto
