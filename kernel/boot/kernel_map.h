// SPDX-License-Identifier: Apache-2.0
//
// The kernel's own address space: EL2 stage 1, physical addresses, only what the kernel needs,
// never writable and executable.
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/memory/account.h"

namespace pyrene {

// MMU off: maps the image by sections, with a hole below each stack, and turns the MMU on.
void EnterKernelMap();

// attributes: arch::el2_attributes. Page granular, outwards; parts that are mapped already are
// left. False: no table page left.
[[nodiscard]] bool MapKernel(uint64_t base, uint64_t bytes, uint64_t attributes);
void UnmapKernel(uint64_t base, uint64_t bytes);

// What pays for the kernel's own tables and the objects made at boot; gets the pool later.
Account& KernelAccount();

// The MMU set-up for further CPUs.
struct MmuRegisters {
  uint64_t mair, tcr, ttbr0, sctlr;
};
MmuRegisters KernelMmuRegisters();
// TCR_EL2.PS and VTCR_EL2.PS: the machine's physical address size, at most 40 bits here.
uint64_t PhysicalSize();

struct Image {
  uint64_t start, end;
};
Image KernelImage();

// Stacks of each CPU, with guard pages: the normal one and the one for panics.
void* KernelStackTop(uint32_t cpu);
void* PanicStackTop(uint32_t cpu);

}  // namespace pyrene
