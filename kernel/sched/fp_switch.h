// SPDX-License-Identifier: Apache-2.0
//
// Lazy switching of FP and SIMD registers. Own CPU only.
#pragma once

#include "kernel/arch/sysreg.h"
#include "kernel/sched/cpu.h"

namespace pyrene {

// The context that is about to run traps at its first FP instruction, unless the registers are its
// own already.
inline void TrapFpUnlessOwned(const Cpu& cpu, const FpState& state) {
  // Written even if it does not change: that costs less than knowing.
  PYRENE_WRITE_SYSREG(cptr_el2,
                      cpu.fp_owner == &state ? arch::kCptrRes1 : arch::kCptrRes1 | arch::kCptrTfp);
}

// The trap: `state` becomes the owner.
void TakeFp(Cpu& cpu, FpState& state);
// The registers go to their owner's memory; nobody owns them.
void ReleaseFp(Cpu& cpu);

}  // namespace pyrene
