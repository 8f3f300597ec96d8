// SPDX-License-Identifier: Apache-2.0
#include "kernel/sched/fp_switch.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/fp.h"

namespace pyrene {
namespace {

void Untrap() {
  PYRENE_WRITE_SYSREG(cptr_el2, arch::kCptrRes1);
  arch::Isb();
}

}  // namespace

void TakeFp(Cpu& cpu, FpState& state) {
  Untrap();
  if (cpu.fp_owner == &state) return;
  if (cpu.fp_owner != nullptr) SaveFp(cpu.fp_owner);
  LoadFp(&state);
  cpu.fp_owner = &state;
}

void ReleaseFp(Cpu& cpu) {
  if (cpu.fp_owner == nullptr) return;
  Untrap();
  SaveFp(cpu.fp_owner);
  cpu.fp_owner = nullptr;
}

}  // namespace pyrene
