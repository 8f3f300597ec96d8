// SPDX-License-Identifier: Apache-2.0
#include "kernel/sched/eviction.h"

#include "kernel/arch/barrier.h"
#include "kernel/object/vcpu.h"
#include "kernel/sched/fp_switch.h"

namespace pyrene {
namespace {

void LetGo(Cpu& cpu, Thread& thread) {
  // It runs a guest after all, if it has been woken meanwhile: SP_EL0 and TPIDR_EL0 are the
  // guest's.
  if (cpu.el0 == &thread && cpu.guest_regime) cpu.loaded->Pause(cpu);
  if (cpu.el0 == &thread) SaveEl0(cpu);
  if (cpu.fp_owner == &thread.fp) ReleaseFp(cpu);
}

}  // namespace

void EvictThread(Thread& thread) {
  // It ran on its own CPU only: when it moves, it is evicted first.
  Cpu& home = cpus[thread.cpu()];
  Cpu& self = ThisCpu();
  if (&home == &self) return LetGo(self, thread);
  __atomic_store_n(&home.evict_thread, &thread, __ATOMIC_RELEASE);
  Poke(home.id);
  while (__atomic_load_n(&home.evict_thread, __ATOMIC_ACQUIRE) != nullptr) {
    ServeEviction(self);
    arch::Relax();
  }
}

void ServeEviction(Cpu& cpu) {
  if (Thread* thread = __atomic_load_n(&cpu.evict_thread, __ATOMIC_ACQUIRE)) {
    LetGo(cpu, *thread);
    __atomic_store_n(&cpu.evict_thread, static_cast<Thread*>(nullptr), __ATOMIC_RELEASE);
  }
  if (Vcpu* vcpu = __atomic_load_n(&cpu.evict, __ATOMIC_ACQUIRE)) {
    if (cpu.loaded == vcpu) {
      vcpu->Pause(cpu);
      vcpu->Unload(cpu);
    }
    __atomic_store_n(&cpu.evict, static_cast<Vcpu*>(nullptr), __ATOMIC_RELEASE);
  }
}

}  // namespace pyrene
