// SPDX-License-Identifier: Apache-2.0
#include "kernel/boot/cpu_setup.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/sysreg.h"
#include "kernel/boot/kernel_map.h"
#include "kernel/memory/layout.h"

extern "C" char vectors[];

namespace pyrene {

void SetUpCpu(uint32_t id) {
  Cpu& cpu = cpus[id];
  cpu.id = id;
  cpu.mpidr = PYRENE_READ_SYSREG(mpidr_el1);
  cpu.stack_top = KernelStackTop(id);
  cpu.panic_stack_top = PanicStackTop(id);
  cpu.online = true;
  PYRENE_WRITE_SYSREG(tpidr_el2, reinterpret_cast<uint64_t>(&cpu));
  PYRENE_WRITE_SYSREG(vbar_el2, PhysicalOf(vectors));
  PYRENE_WRITE_SYSREG(vtcr_el2, arch::kWalk | arch::kVtcrRes1 | arch::kVtcrSl0Level1 |
                                    PhysicalSize() << arch::kPhysicalSizeShift);
  PYRENE_WRITE_SYSREG(vttbr_el2, 0);
  PYRENE_WRITE_SYSREG(hcr_el2, arch::hcr::kService);
  // HPMN: all counters stay EL1's (they trap); what is above comes from reset as PMCR_EL0.N.
  PYRENE_WRITE_SYSREG(mdcr_el2, (PYRENE_READ_SYSREG(mdcr_el2) & 0x1f) | arch::kMdcr);
  // clang-format off
#define PYRENE_ZERO(name) PYRENE_WRITE_SYSREG(name, 0);
  PYRENE_ZERO(hstr_el2) PYRENE_ZERO(cntvoff_el2) PYRENE_ZERO(cnthp_ctl_el2) PYRENE_ZERO(cntv_ctl_el0)
  PYRENE_ZERO(mdscr_el1) PYRENE_ZERO(tpidrro_el0) PYRENE_ZERO(sp_el0) PYRENE_ZERO(tpidr_el0)
#undef PYRENE_ZERO
      // clang-format on
      PYRENE_WRITE_SYSREG(cnthctl_el2, arch::kCnthctl);
  PYRENE_WRITE_SYSREG(tcr_el1, arch::kTcrEl1Epd);
  PYRENE_WRITE_SYSREG(sctlr_el1, arch::sctlr::kService);
  PYRENE_WRITE_SYSREG(cpacr_el1, arch::kCpacrService);
  PYRENE_WRITE_SYSREG(cntkctl_el1, arch::kCntkctlService);
  // No stage-2 entry of what ran before us.
  asm volatile("tlbi alle1" ::: "memory");
  arch::DsbIsh();
  arch::Isb();
}

void ForbidFp(Cpu& cpu) {
  cpu.fp_owner = nullptr;
  PYRENE_WRITE_SYSREG(cptr_el2, arch::kCptrRes1 | arch::kCptrTfp);
  arch::Isb();
}

}  // namespace pyrene
