// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/vcpu_registers.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/errata.h"
#include "kernel/arch/sysreg.h"

namespace pyrene::arch {
namespace {

constexpr uint64_t kTimerEnable = 1;
constexpr uint64_t kTimerMask = 2;

}  // namespace

void SaveEl1(VcpuState::El1& el1) {
  el1.ttbr0 = PYRENE_READ_SYSREG(ttbr0_el1);
  el1.ttbr1 = PYRENE_READ_SYSREG(ttbr1_el1);
  if (!errata.speculative_at) el1.tcr = PYRENE_READ_SYSREG(tcr_el1);
  el1.mair = PYRENE_READ_SYSREG(mair_el1);
  el1.amair = PYRENE_READ_SYSREG(amair_el1);
  el1.vbar = PYRENE_READ_SYSREG(vbar_el1);
  el1.esr = PYRENE_READ_SYSREG(esr_el1);
  el1.far = PYRENE_READ_SYSREG(far_el1);
  el1.afsr0 = PYRENE_READ_SYSREG(afsr0_el1);
  el1.afsr1 = PYRENE_READ_SYSREG(afsr1_el1);
  el1.elr = PYRENE_READ_SYSREG(elr_el1);
  el1.spsr = PYRENE_READ_SYSREG(spsr_el1);
  el1.sp_el1 = PYRENE_READ_SYSREG(sp_el1);
  el1.tpidr_el1 = PYRENE_READ_SYSREG(tpidr_el1);
  el1.contextidr = PYRENE_READ_SYSREG(contextidr_el1);
  el1.par = PYRENE_READ_SYSREG(par_el1);
  el1.csselr = PYRENE_READ_SYSREG(csselr_el1);
  el1.actlr = PYRENE_READ_SYSREG(actlr_el1);
  el1.mdscr = PYRENE_READ_SYSREG(mdscr_el1);
}

void LoadEl1(const VcpuState::El1& el1) {
  PYRENE_WRITE_SYSREG(ttbr0_el1, el1.ttbr0);
  PYRENE_WRITE_SYSREG(ttbr1_el1, el1.ttbr1);
  PYRENE_WRITE_SYSREG(tcr_el1, errata.speculative_at ? el1.tcr | kTcrEl1Epd : el1.tcr);
  PYRENE_WRITE_SYSREG(mair_el1, el1.mair);
  PYRENE_WRITE_SYSREG(amair_el1, el1.amair);
  PYRENE_WRITE_SYSREG(vbar_el1, el1.vbar);
  PYRENE_WRITE_SYSREG(esr_el1, el1.esr);
  PYRENE_WRITE_SYSREG(far_el1, el1.far);
  PYRENE_WRITE_SYSREG(afsr0_el1, el1.afsr0);
  PYRENE_WRITE_SYSREG(afsr1_el1, el1.afsr1);
  PYRENE_WRITE_SYSREG(elr_el1, el1.elr);
  PYRENE_WRITE_SYSREG(spsr_el1, el1.spsr);
  PYRENE_WRITE_SYSREG(sp_el1, el1.sp_el1);
  PYRENE_WRITE_SYSREG(tpidr_el1, el1.tpidr_el1);
  PYRENE_WRITE_SYSREG(contextidr_el1, el1.contextidr);
  PYRENE_WRITE_SYSREG(par_el1, el1.par);
  PYRENE_WRITE_SYSREG(csselr_el1, el1.csselr);
  PYRENE_WRITE_SYSREG(mdscr_el1,
                      0);  // debug registers are trapped: no guest value reaches the hardware
  PYRENE_WRITE_SYSREG(vmpidr_el2, el1.vmpidr);
  PYRENE_WRITE_SYSREG(vpidr_el2, el1.vpidr);
}

void SaveVirtualTimer(VcpuState::El1& el1) {
  el1.cntv_ctl = PYRENE_READ_SYSREG(cntv_ctl_el0);
  el1.cntv_cval = PYRENE_READ_SYSREG(cntv_cval_el0);
  PYRENE_WRITE_SYSREG(cntv_ctl_el0, 0);
  Isb();
}

void LoadVirtualTimer(const VcpuState::El1& el1) {
  PYRENE_WRITE_SYSREG(cntvoff_el2, el1.cntvoff);
  PYRENE_WRITE_SYSREG(cntv_cval_el0, el1.cntv_cval);
  Isb();  // the compare value before the enable
  PYRENE_WRITE_SYSREG(cntv_ctl_el0, el1.cntv_ctl & (kTimerEnable | kTimerMask));
}

void MaskVirtualTimer() {
  PYRENE_WRITE_SYSREG(cntv_ctl_el0, PYRENE_READ_SYSREG(cntv_ctl_el0) | kTimerMask);
  Isb();
}

uint64_t VirtualTimerDeadline() {
  const uint64_t control = PYRENE_READ_SYSREG(cntv_ctl_el0);
  if ((control & (kTimerEnable | kTimerMask)) != kTimerEnable) return ~uint64_t{0};
  return PYRENE_READ_SYSREG(cntv_cval_el0) + PYRENE_READ_SYSREG(cntvoff_el2);
}

void EnterGuestRegime(const VcpuState::El1& el1, uint64_t vttbr) {
  // Walks are disabled: SCTLR_EL1.M = 1 with TCR_EL1.EPD set, since the last LeaveGuestRegime or
  // LoadEl1.
  PYRENE_WRITE_SYSREG(vttbr_el2, vttbr);
  PYRENE_WRITE_SYSREG(hcr_el2, hcr::kGuest);
  PYRENE_WRITE_SYSREG(cpacr_el1, el1.cpacr);
  PYRENE_WRITE_SYSREG(cntkctl_el1, el1.cntkctl);
  PYRENE_WRITE_SYSREG(sp_el0, el1.sp_el0);
  PYRENE_WRITE_SYSREG(tpidr_el0, el1.tpidr_el0);
  PYRENE_WRITE_SYSREG(tpidrro_el0, el1.tpidrro_el0);
  if (errata.speculative_at) {
    Isb();
    PYRENE_WRITE_SYSREG(sctlr_el1, el1.sctlr);
    Isb();
    PYRENE_WRITE_SYSREG(tcr_el1, el1.tcr);
  } else {
    PYRENE_WRITE_SYSREG(sctlr_el1, el1.sctlr);
  }
  // The ERET that follows synchronises.
}

void LeaveGuestRegime(VcpuState::El1& el1, uint64_t service_vttbr) {
  el1.sctlr = PYRENE_READ_SYSREG(sctlr_el1);
  if (errata.speculative_at) {
    const uint64_t tcr = PYRENE_READ_SYSREG(tcr_el1);
    el1.tcr = tcr;
    PYRENE_WRITE_SYSREG(tcr_el1, tcr | kTcrEl1Epd);
    Isb();
    PYRENE_WRITE_SYSREG(sctlr_el1, sctlr::kService);
    Isb();
  } else {
    PYRENE_WRITE_SYSREG(sctlr_el1, sctlr::kService);
  }
  el1.cpacr = PYRENE_READ_SYSREG(cpacr_el1);
  el1.cntkctl = PYRENE_READ_SYSREG(cntkctl_el1);
  el1.sp_el0 = PYRENE_READ_SYSREG(sp_el0);
  el1.tpidr_el0 = PYRENE_READ_SYSREG(tpidr_el0);
  el1.tpidrro_el0 = PYRENE_READ_SYSREG(tpidrro_el0);
  PYRENE_WRITE_SYSREG(vttbr_el2, service_vttbr);
  PYRENE_WRITE_SYSREG(hcr_el2, hcr::kService);
  PYRENE_WRITE_SYSREG(cpacr_el1, kCpacrService);
  PYRENE_WRITE_SYSREG(cntkctl_el1, kCntkctlService);
  PYRENE_WRITE_SYSREG(tpidrro_el0, 0);
}

uint64_t TranslateInGuest(uint64_t address, bool write) {
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

void TranslateForGuest(const VcpuState::El1& el1, uint64_t vttbr, uint64_t service_vttbr,
                       uint64_t address, bool write, uint64_t* results, unsigned count) {
  PYRENE_WRITE_SYSREG(vttbr_el2, vttbr);
  PYRENE_WRITE_SYSREG(hcr_el2, hcr::kGuest);
  Isb();
  PYRENE_WRITE_SYSREG(sctlr_el1, el1.sctlr);
  Isb();
  if (errata.speculative_at) PYRENE_WRITE_SYSREG(tcr_el1, el1.tcr);
  Isb();
  for (unsigned i = 0; i < count; ++i) {
    results[i] = TranslateInGuest(address, write);
    address = (address & ~uint64_t{0xfff}) + 0x1000;
  }
  if (errata.speculative_at) {
    PYRENE_WRITE_SYSREG(tcr_el1, el1.tcr | kTcrEl1Epd);
    Isb();
  }
  PYRENE_WRITE_SYSREG(sctlr_el1, sctlr::kService);
  Isb();
  PYRENE_WRITE_SYSREG(vttbr_el2, service_vttbr);
  PYRENE_WRITE_SYSREG(hcr_el2, hcr::kService);
  Isb();
}

}  // namespace pyrene::arch
