// SPDX-License-Identifier: Apache-2.0
//
// The change between the service and the guest regime, and what can only be asked in the guest's.
// Inline: part of every guest exit.
#pragma once

#include <cstdint>

#include "kernel/abi/vcpu_state.h"
#include "kernel/arch/barrier.h"
#include "kernel/arch/errata.h"
#include "kernel/arch/gic.h"
#include "kernel/arch/sysreg.h"

namespace pyrene::arch {

// The registers that are always swapped, with VTTBR_EL2 and HCR_EL2, in the order that erratum
// 1319367 asks for (Cortex-A72: a speculative AT or walk must not combine one context's TTBR with
// the other's VTTBR).
[[gnu::always_inline]] inline void EnterGuestRegime(const VcpuState::El1& el1, uint64_t vttbr) {
  // Walks are disabled: SCTLR_EL1.M = 1 with TCR_EL1.EPD set, since the last LeaveGuestRegime or
  // LoadEl1.
  PYRENE_WRITE_SYSREG(vttbr_el2, vttbr);
  PYRENE_WRITE_SYSREG(hcr_el2, hcr::kGuest);
  // Loaded all at once, which makes pairs.
  uint64_t sctlr = el1.sctlr, cpacr = el1.cpacr, cntkctl = el1.cntkctl, sp_el0 = el1.sp_el0,
           tpidr_el0 = el1.tpidr_el0, tpidrro_el0 = el1.tpidrro_el0;
  asm volatile(""
               : "+r"(sctlr), "+r"(cpacr), "+r"(cntkctl), "+r"(sp_el0), "+r"(tpidr_el0),
                 "+r"(tpidrro_el0));
  PYRENE_WRITE_SYSREG(cpacr_el1, cpacr);
  PYRENE_WRITE_SYSREG(cntkctl_el1, cntkctl);
  PYRENE_WRITE_SYSREG(sp_el0, sp_el0);
  PYRENE_WRITE_SYSREG(tpidr_el0, tpidr_el0);
  PYRENE_WRITE_SYSREG(tpidrro_el0, tpidrro_el0);
  if (errata.speculative_at) [[likely]] {
    Isb();
    PYRENE_WRITE_SYSREG(sctlr_el1, sctlr);
    Isb();
    PYRENE_WRITE_SYSREG(tcr_el1, el1.tcr);
  } else {
    PYRENE_WRITE_SYSREG(sctlr_el1, sctlr);
  }
  // The ERET that follows synchronises.
}

[[gnu::always_inline]] inline void LeaveGuestRegime(VcpuState::El1& el1, uint64_t vttbr) {
  const uint64_t sctlr = PYRENE_READ_SYSREG(sctlr_el1);
  if (errata.speculative_at) [[likely]] {
    const uint64_t tcr = PYRENE_READ_SYSREG(tcr_el1);
    el1.tcr = tcr;
    PYRENE_WRITE_SYSREG(tcr_el1, tcr | kTcrEl1Epd);
    Isb();
    PYRENE_WRITE_SYSREG(sctlr_el1, sctlr::kService);
    Isb();
  } else {
    PYRENE_WRITE_SYSREG(sctlr_el1, sctlr::kService);
  }
  // Stored in pairs.
  const uint64_t cpacr = PYRENE_READ_SYSREG(cpacr_el1);
  const uint64_t cntkctl = PYRENE_READ_SYSREG(cntkctl_el1);
  const uint64_t sp_el0 = PYRENE_READ_SYSREG(sp_el0);
  const uint64_t tpidr_el0 = PYRENE_READ_SYSREG(tpidr_el0);
  const uint64_t tpidrro_el0 = PYRENE_READ_SYSREG(tpidrro_el0);
  el1.sctlr = sctlr;
  el1.cpacr = cpacr;
  el1.cntkctl = cntkctl;
  el1.sp_el0 = sp_el0;
  el1.tpidr_el0 = tpidr_el0;
  el1.tpidrro_el0 = tpidrro_el0;
  PYRENE_WRITE_SYSREG(vttbr_el2, vttbr);
  PYRENE_WRITE_SYSREG(hcr_el2, hcr::kService);
  PYRENE_WRITE_SYSREG(cpacr_el1, kCpacrService);
  PYRENE_WRITE_SYSREG(cntkctl_el1, kCntkctlService);
  PYRENE_WRITE_SYSREG(tpidrro_el0, 0);
}

// Stage-1 translation of `address` as EL1 would do it, for reading or writing: PAR_EL1's format.
// Guest regime; the guest's own PAR_EL1 is kept.
[[gnu::always_inline]] inline uint64_t TranslateInGuest(uint64_t address, bool write) {
  const uint64_t guest_par = PYRENE_READ_SYSREG(par_el1);
  // Stage 1 only: the VMM wants the guest's frame number. HCR_EL2.PTW is on, so table walks obey
  // stage 2.
  if (write) {
    asm volatile("at s1e1w, %0" ::"r"(address) : "memory");
  } else {
    asm volatile("at s1e1r, %0" ::"r"(address) : "memory");
  }
  Isb();
  const uint64_t result = PYRENE_READ_SYSREG(par_el1);
  PYRENE_WRITE_SYSREG(par_el1, guest_par);
  return result;
}

// GICH_LR0: usually the only one in use.
inline uint32_t ReadFirstListRegister() { return *gic::first_list_register; }
inline void WriteFirstListRegister(uint32_t value) { *gic::first_list_register = value; }

}  // namespace pyrene::arch
