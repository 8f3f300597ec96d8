// SPDX-License-Identifier: Apache-2.0
//
// Lazy switching of FP and SIMD registers. Own CPU only.
#pragma once

#include "kernel/arch/sysreg.h"
#include "kernel/sched/cpu.h"

namespace pyrene {

// The context that is about to run traps at its first FP instruction, unless the registers are its
// own already.
inline void TrapFpUnlessOwned(Cpu& cpu, const FpState& state) {
  const bool trap = cpu.fp_owner != &state;
  if (trap == cpu.fp_trapped) return;
  cpu.fp_trapped = trap;
  PYRENE_WRITE_SYSREG(cptr_el2, trap ? arch::kCptrRes1 | arch::kCptrTfp : arch::kCptrRes1);
}

// The trap: `state` becomes the owner.
void TakeFp(Cpu& cpu, FpState& state);
// The registers go to their owner's memory; nobody owns them.
void ReleaseFp(Cpu& cpu);

}  // namespace pyrene
