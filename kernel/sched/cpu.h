// SPDX-License-Identifier: Apache-2.0
//
// What the kernel keeps for each CPU. TPIDR_EL2 points at the running CPU's. Touched by its own CPU
// only, except what is marked.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel/abi/syscall.h"
#include "kernel/arch/sysreg.h"
#include "kernel/sched/scheduler.h"

namespace pyrene {

class Domain;
class Thread;
class Vcpu;
struct FpState;

struct Cpu {
  void* stack_top;        // known to arch/vectors.S
  void* panic_stack_top;  // known to arch/vectors.S
  uint32_t id;
  uint64_t mpidr;

  Thread* current;  // whose system call or exception is handled; nullptr when idle
  Scheduler scheduler;

  // Which context the EL0/EL1 registers belong to.
  Thread* el0;   // SP_EL0 and TPIDR_EL0 are this thread's, but for the time of guest_regime
  Vcpu* loaded;  // its EL1 state, virtual timer and virtual CPU interface are in the hardware
  uint32_t additions_seen;  // page_table_additions at the last abort of a guest that was true
  bool guest_regime;        // HCR_EL2, VTTBR_EL2 and the always-swapped registers are `loaded`'s
  uint64_t service_vttbr;   // of `current`'s domain: what VTTBR_EL2 gets when a guest is left
  FpState* fp_owner;        // the FP registers are its; nullptr: nobody's

  // Shared with other CPUs.
  bool online;              // written once at boot
  bool idle;                // holds no reference from a lookup
  uint64_t quiesce_wanted;  // the Quiesce generation another CPU waits for
  uint64_t quiesce_ack;     // the last one this CPU has passed
  Vcpu* evict;              // another CPU wants this vCPU's state in memory
  Thread* evict_thread;     // likewise, a thread that does not run
};
static_assert(offsetof(Cpu, stack_top) == 0 && offsetof(Cpu, panic_stack_top) == 8);

extern Cpu cpus[kMaxCpus];

inline Cpu& ThisCpu() { return *reinterpret_cast<Cpu*>(PYRENE_READ_SYSREG(tpidr_el2)); }

// Makes CPU `id` take an SGI: reschedule, pass Quiesce, serve an eviction. Any CPU.
void Poke(uint32_t id);

}  // namespace pyrene
