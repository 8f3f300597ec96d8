// SPDX-License-Identifier: Apache-2.0
#include "kernel/sched/cpu.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/gic.h"
#include "kernel/lib/spinlock.h"
#include "kernel/sched/eviction.h"
#include "kernel/sched/quiesce.h"
#include "kernel/sched/structure_lock.h"

namespace pyrene {

Cpu cpus[kMaxCpus];

namespace {

SpinLock structure_lock;
uint64_t quiesce_generation;

}  // namespace

void Poke(uint32_t id) { arch::gic::SendSgi(arch::gic::kPokeSgi, id); }

StructureLock::StructureLock() {
  while (!(held_ = structure_lock.TryLock())) {
    if (arch::InterruptPending()) return;
    arch::Relax();
  }
}

StructureLock::~StructureLock() {
  if (held_) structure_lock.Unlock();
}

void Quiesce() {
  // 1. The caller has cleared the capability. 2. Others that look it up from now on fail. 3. Each
  // other CPU acknowledges the new generation when it takes the SGI, that is outside the kernel, or
  // is idle and so holds nothing.
  const uint64_t generation = ++quiesce_generation;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  Cpu& self = ThisCpu();
  for (Cpu& cpu : cpus) {
    if (!cpu.online || &cpu == &self || __atomic_load_n(&cpu.idle, __ATOMIC_SEQ_CST)) continue;
    __atomic_store_n(&cpu.quiesce_wanted, generation, __ATOMIC_RELEASE);
    Poke(cpu.id);
  }
  for (Cpu& cpu : cpus) {
    if (!cpu.online || &cpu == &self) continue;
    while (__atomic_load_n(&cpu.quiesce_ack, __ATOMIC_ACQUIRE) <
               __atomic_load_n(&cpu.quiesce_wanted, __ATOMIC_RELAXED) &&
           !__atomic_load_n(&cpu.idle, __ATOMIC_SEQ_CST)) {
      ServeEviction(self);
      arch::Relax();
    }
  }
}

}  // namespace pyrene
