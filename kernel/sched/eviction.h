// SPDX-License-Identifier: Apache-2.0
//
// Getting what a CPU keeps in its registers for a thread or vCPU into memory.
#pragma once

#include "kernel/arch/sysreg.h"
#include "kernel/object/thread.h"
#include "kernel/sched/cpu.h"

namespace pyrene {

// SP_EL0 and TPIDR_EL0 into the thread whose they are, if they are a thread's. Nobody's then. Own
// CPU.
inline void SaveEl0(Cpu& cpu) {
  if (cpu.el0 == nullptr) return;
  cpu.el0->sp_el0 = PYRENE_READ_SYSREG(sp_el0);
  cpu.el0->tpidr_el0 = PYRENE_READ_SYSREG(tpidr_el0);
  cpu.el0 = nullptr;
}

// Its SP_EL0, TPIDR_EL0 and FP registers are in its object when this returns, unless it has been
// woken and runs again. Structure lock.
void EvictThread(Thread& thread);
// What other CPUs want of this one. Also called by whoever waits for another CPU, which may be
// waiting for him.
void ServeEviction(Cpu& cpu);

}  // namespace pyrene
