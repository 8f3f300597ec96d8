// SPDX-License-Identifier: Apache-2.0
//
// TLB maintenance, broadcast to all CPUs. A context is the VTTBR_EL2 value of a stage-2 table, or
// kEl2Context for the kernel's own.
#pragma once

#include <cstdint>

namespace pyrene::arch {

inline constexpr uint64_t kEl2Context = 0;

// After descriptors of [address, address + pages) were made invalid or changed.
void InvalidateTlb(uint64_t context, uint64_t address, uint64_t pages);
// Everything of a context; needed before its VMID serves another domain.
void InvalidateTlbContext(uint64_t context);
// On this CPU only: a vCPU comes where another of its guest ran, whose private entries it must not
// see.
void InvalidateLocalTlb();

}  // namespace pyrene::arch
