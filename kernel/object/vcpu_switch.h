// SPDX-License-Identifier: Apache-2.0
//
// A guest's way to its VMM and back, when nothing but the switch is to be done: leaf functions that
// touch each thing once. Whatever is unusual goes on in vcpu.cc and sched/entry.cc. Used by
// sched/entry.cc only.
//
// At an exception nothing has asked this CPU to reschedule: what does so while the guest or the VMM
// runs is an interrupt, and its way out of the kernel ends in Resume.
#pragma once

#include "kernel/arch/guest_regime.h"
#include "kernel/object/domain.h"
#include "kernel/object/thread.h"
#include "kernel/object/vcpu.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/entry.h"
#include "kernel/sched/fp_switch.h"

namespace pyrene {

// The list registers are read already.
[[gnu::always_inline]] inline Resumption Vcpu::ToVmm(Cpu& cpu, Thread& thread) {
  arch::LeaveGuestRegime(state_->el1, cpu.service_vttbr);
  uint64_t sp_el0 = thread.sp_el0;
  uint64_t tpidr_el0 = thread.tpidr_el0;
  asm volatile("" : "+r"(sp_el0), "+r"(tpidr_el0));
  PYRENE_WRITE_SYSREG(sp_el0, sp_el0);
  PYRENE_WRITE_SYSREG(tpidr_el0, tpidr_el0);
  cpu.guest_regime = false;
  thread.running = nullptr;
  Release();
  Frame& frame = thread.frame();
  const uint64_t pc = frame.pc;
  const uint64_t pstate = frame.pstate;
  frame.x[0] = static_cast<uint64_t>(Status::kOk);
  frame.x[1] = static_cast<uint64_t>(ExitReason::kException);
  // Whoever owns them: a VMM handles exits without FP, and else traps once.
  PYRENE_WRITE_SYSREG(cptr_el2, arch::kCptrRes1 | arch::kCptrTfp);
  PYRENE_WRITE_SYSREG(elr_el2, pc);
  PYRENE_WRITE_SYSREG(spsr_el2, pstate);
  return Returning(&frame);
}

[[gnu::always_inline]] inline Resumption Vcpu::ExitForException(Cpu& cpu, Thread& thread,
                                                                uint64_t esr) {
  state_->exit.esr = esr;
  if (hardware_lrs_ != 0) {
    if (hardware_lrs_ != kFirstOnly) [[unlikely]]
      return ToVmmWithInterrupts(cpu, thread);
    const uint32_t value = arch::ReadFirstListRegister();
    state_->gic.lr[0] = value;
    if ((value & (list_register::kPending | list_register::kActive)) == 0) {
      arch::WriteFirstListRegister(0);
      hardware_lrs_ = 0;
    }
    state_->gic.used = hardware_lrs_;
  }
  return ToVmm(cpu, thread);
}

[[gnu::always_inline]] inline Resumption Vcpu::ExitForHypercall(Cpu& cpu, Thread& thread,
                                                                uint64_t esr) {
  // Here, because the guest's regime is still in force.
  for (uint64_t wanted = state_->hvc_translate & 0x1f; wanted != 0; wanted &= wanted - 1) {
    const auto index = static_cast<unsigned>(__builtin_ctzll(wanted));
    state_->exit.par[index] = arch::TranslateInGuest(state_->x[index], false);
  }
  return ExitForException(cpu, thread, esr);
}

[[gnu::always_inline]] inline Resumption Vcpu::ExitForAbort(Cpu& cpu, Thread& thread,
                                                            uint64_t esr) {
  state_->exit.far = PYRENE_READ_SYSREG(far_el2);
  state_->exit.hpfar = PYRENE_READ_SYSREG(hpfar_el2);
  return ExitForException(cpu, thread, esr);
}

// The list registers are written already, and PSTATE is checked.
[[gnu::always_inline]] inline Frame* Vcpu::ToGuest(Cpu& cpu, Thread& thread) {
  const uint64_t sp_el0 = PYRENE_READ_SYSREG(sp_el0);
  const uint64_t tpidr_el0 = PYRENE_READ_SYSREG(tpidr_el0);
  thread.sp_el0 = sp_el0;
  thread.tpidr_el0 = tpidr_el0;
  thread.running = this;
  arch::EnterGuestRegime(state_->el1, guest_->vttbr());
  cpu.guest_regime = true;
  TrapFpUnlessOwned(cpu, fp);
  return reinterpret_cast<Frame*>(state_);
}

// 1. Kick sets kicked_, then pokes the CPU of runner_. 2. This reads it after it has claimed the
// vCPU. If 1 comes after 2 the poke's interrupt comes when the guest runs.
[[gnu::always_inline]] inline Frame* Vcpu::Run(Cpu& cpu, Thread& thread, uint64_t flags) {
  if (!Claim(thread)) [[unlikely]] {
    thread.SetResult(Status::kBusy);
    return Resume(cpu);
  }
  const uint64_t pc = state_->pc;
  const uint64_t pstate = state_->pstate;
  PYRENE_WRITE_SYSREG(elr_el2, pc);
  PYRENE_WRITE_SYSREG(spsr_el2, pstate);
  if (flags != 0 || !Undisturbed() || cpu.loaded != this || !arch::pstate::IsGuests(pstate))
      [[unlikely]]
    return RunDisturbed(cpu, thread, flags);
  // Loaded once: another thread of the VMM may be writing.
  const volatile VcpuState::Gic& gic = state_->gic;
  const uint32_t used = gic.used;
  if ((used | hardware_lrs_) != 0) {
    const uint32_t first = gic.lr[0];
    if ((used | hardware_lrs_) != kFirstOnly || used == 0 ||
        (first & list_register::kHardware) != 0) [[unlikely]]
      return ToGuestWithInterrupts(cpu, thread);
    arch::WriteFirstListRegister(first);
    hardware_lrs_ = kFirstOnly;
  }
  if (gic.underflow != 0) [[unlikely]]
    return ToGuestWithInterrupts(cpu, thread);
  return ToGuest(cpu, thread);
}

}  // namespace pyrene
