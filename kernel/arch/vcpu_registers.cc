// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/vcpu_registers.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/errata.h"
#include "kernel/arch/guest_regime.h"
#include "kernel/arch/sysreg.h"

namespace pyrene::arch {
namespace {

constexpr uint64_t kTimerEnable = 1;
constexpr uint64_t kTimerMask = 2;

}  // namespace

// What is the same in both directions. Not TCR_EL1, see LeaveGuestRegime; not ACTLR_EL1, which is
// not the guest's; not MDSCR_EL1: debug registers are trapped, no guest value reaches the hardware.
// clang-format off
#define PYRENE_EL1_REGISTERS(X)                                                                   \
  X(ttbr0, ttbr0_el1) X(ttbr1, ttbr1_el1) X(mair, mair_el1) X(amair, amair_el1) X(vbar, vbar_el1) \
  X(esr, esr_el1) X(far, far_el1) X(afsr0, afsr0_el1) X(afsr1, afsr1_el1) X(elr, elr_el1)         \
  X(spsr, spsr_el1) X(sp_el1, sp_el1) X(tpidr_el1, tpidr_el1) X(contextidr, contextidr_el1)       \
  X(par, par_el1) X(csselr, csselr_el1)
// clang-format on

void SaveEl1(VcpuState::El1& el1) {
#define PYRENE_SAVE(field, name) el1.field = PYRENE_READ_SYSREG(name);
  PYRENE_EL1_REGISTERS(PYRENE_SAVE)
#undef PYRENE_SAVE
  if (!errata.speculative_at) el1.tcr = PYRENE_READ_SYSREG(tcr_el1);
  el1.actlr = PYRENE_READ_SYSREG(actlr_el1);
  el1.mdscr = PYRENE_READ_SYSREG(mdscr_el1);
}

void LoadEl1(const VcpuState::El1& el1) {
#define PYRENE_LOAD(field, name) PYRENE_WRITE_SYSREG(name, el1.field);
  PYRENE_EL1_REGISTERS(PYRENE_LOAD)
#undef PYRENE_LOAD
  PYRENE_WRITE_SYSREG(tcr_el1, errata.speculative_at ? el1.tcr | kTcrEl1Epd : el1.tcr);
  PYRENE_WRITE_SYSREG(mdscr_el1, 0);
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
