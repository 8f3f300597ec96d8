// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/vcpu.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/gic.h"
#include "kernel/arch/guest_regime.h"
#include "kernel/arch/sysreg.h"
#include "kernel/arch/tlb.h"
#include "kernel/arch/vcpu_registers.h"
#include "kernel/object/domain.h"
#include "kernel/object/thread.h"
#include "kernel/object/vcpu_switch.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/eviction.h"
#include "kernel/sched/fp_switch.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene {

namespace gic = arch::gic;
namespace lr = list_register;

namespace {

// VMPIDR_EL2: bit 31 is RES1.
constexpr uint64_t kMpidrRes1 = uint64_t{1} << 31;
constexpr uint64_t kResetSctlr = 0x00c50078;  // MMU and caches off
constexpr uint64_t kResetPstate = 0x3c5;      // EL1h, all masked

// In Domain::last_vcpu: one that does not exist any more. Never dereferenced.
const Vcpu* const kGoneVcpu = reinterpret_cast<const Vcpu*>(1);

constexpr uint32_t Bit(uint32_t index) { return 1u << index; }

}  // namespace

Vcpu* Vcpu::Create(Account& payer, Domain& guest, uint64_t affinity) {
  auto* state = static_cast<VcpuState*>(payer.AllocatePage());
  if (state == nullptr) return nullptr;
  void* memory = payer.AllocateBytes(sizeof(Vcpu));
  if (memory == nullptr) {
    payer.FreePage(state);
    return nullptr;
  }
  state->pstate = kResetPstate;
  state->el1.sctlr = kResetSctlr;
  state->el1.vmpidr = kMpidrRes1 | affinity;
  state->el1.vpidr = PYRENE_READ_SYSREG(midr_el1);
  state->el1.actlr = PYRENE_READ_SYSREG(actlr_el1);
  state->gic.count = gic::ListRegisters();
  auto* vcpu = new (memory) Vcpu(payer, guest, state);
  guest.vcpus().PushBack(vcpu);
  return vcpu;
}

void Vcpu::Detach() {
  LeaveDomain();
  Cpu& self = ThisCpu();
  EvictElsewhere(self);
  if (self.loaded == this) Unload(self);
}

Vcpu::~Vcpu() {
  page_.UnmapEverywhere();
  payer().FreePage(state_);
}

Status Vcpu::ShareState(Domain& vmm, uint64_t address) {
  return vmm.Map(page_, nullptr, 0, address, 1, rights::kRead | rights::kWrite);
}

void Vcpu::LeaveDomain() {
  if (guest_ == nullptr) return;
  // 1. This stores ended_, then loads runner_; Claim stores runner_, then its caller loads ended_:
  // one of the two sees the other. 2. Who has seen it lets go. 3. Who has not is in the guest's
  // name from then on and is stopped, or leaves within this call of the kernel.
  __atomic_store_n(&ended_, true, __ATOMIC_SEQ_CST);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  while (Thread* runner = __atomic_load_n(&runner_, __ATOMIC_ACQUIRE)) {
    if (__atomic_load_n(&runner->running, __ATOMIC_RELAXED) == this) runner->StopRunning();
    ServeEviction(ThisCpu());
    arch::Relax();
  }
  List<Vcpu, DomainVcpusTag>::Remove(this);
  // What it left in TLBs is nobody's: the next vCPU there invalidates, even one at the same
  // address.
  for (uint32_t cpu = 0; cpu < kMaxCpus; ++cpu) {
    if (guest_->last_vcpu(cpu) == this) guest_->last_vcpu(cpu) = kGoneVcpu;
  }
  guest_ = nullptr;
}

Frame* Vcpu::RunDisturbed(Cpu& cpu, Thread& thread, uint64_t flags) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);  // see Kick and LeaveDomain
  if (ended_) {
    Release();
    thread.SetResult(Status::kGone);
    return Resume(cpu);
  }
  thread.running = this;
  if ((flags & run_flags::kYield) != 0) cpu.scheduler.Yield();
  if ((flags & run_flags::kBlock) != 0) {
    LockGuard guard(lock_);
    if (!kicked_ && !timer_fired_ && !InterruptPending()) {
      sleeping_ = true;
      // While it is loaded its own timer interrupt ends the sleep (TimerInterrupt); else the
      // kernel's timer does (Unload).
      Scheduler::Block(thread, cpu.loaded == this ? kNoDeadline : SavedDeadline());
    }
  }
  return Resume(cpu);
}

bool Vcpu::InterruptPending() const {
  const uint32_t used = state_->gic.used;
  for (uint32_t i = 0; i < kMaxListRegisters; ++i)
    if ((used & Bit(i)) != 0 && (state_->gic.lr[i] & lr::kPending) != 0) return true;
  return false;
}

uint64_t Vcpu::SavedDeadline() const {
  constexpr uint64_t kEnableMask = 3;
  if ((state_->el1.cntv_ctl & kEnableMask) != 1) return kNoDeadline;
  return state_->el1.cntv_cval + state_->el1.cntvoff;
}

Frame* Vcpu::Enter(Cpu& cpu, Thread& thread) {
  // 1. Kick sets kicked_, then pokes the CPU of runner_. 2. This reads kicked_. If 1 comes after 2
  // the poke's interrupt is pending, or comes, when the guest runs, and the way out of the kernel
  // leads here again.
  if (kicked_ || sleeping_) {
    LockGuard guard(lock_);
    sleeping_ = false;
    if (kicked_) {
      kicked_ = false;
      Exit(cpu, thread, ExitReason::kKick);
      return nullptr;
    }
  }
  const uint64_t pstate = __atomic_load_n(&state_->pstate, __ATOMIC_RELAXED);
  if (!arch::pstate::IsGuests(pstate)) {
    Exit(cpu, thread, ExitReason::kBadState);
    return nullptr;
  }
  if (!cpu.guest_regime) {
    if (cpu.loaded != this) Load(cpu);
    if (ListRegistersChange() && !WriteListRegisters()) [[unlikely]] {
      Exit(cpu, thread, ExitReason::kBadState);
      return nullptr;
    }
    SaveEl0(cpu);
    cpu.el0 = &thread;
    arch::EnterGuestRegime(state_->el1, guest_->vttbr());
    cpu.guest_regime = true;
  }
  if (timer_fired_) {
    timer_fired_ = false;
    if (!InjectTimer()) {
      Exit(cpu, thread, ExitReason::kTimer);
      return nullptr;
    }
  }
  TrapFpUnlessOwned(cpu, fp);
  PYRENE_WRITE_SYSREG(elr_el2, __atomic_load_n(&state_->pc, __ATOMIC_RELAXED));
  PYRENE_WRITE_SYSREG(spsr_el2, pstate);
  return reinterpret_cast<Frame*>(state_);
}

void Vcpu::Pause(Cpu& cpu) {
  if (!cpu.guest_regime) return;
  if (hardware_lrs_ != 0) ReadListRegisters();
  arch::LeaveGuestRegime(state_->el1, cpu.service_vttbr);
  cpu.guest_regime = false;
  cpu.el0 = nullptr;
}

void Vcpu::Exit(Cpu& cpu, Thread& thread, ExitReason reason) {
  Pause(cpu);
  thread.running = nullptr;
  thread.SetResult(Status::kOk, static_cast<uint64_t>(reason));
  Release();
}

Resumption Vcpu::ToVmmWithInterrupts(Cpu& cpu, Thread& thread) {
  ReadListRegisters();
  return ToVmm(cpu, thread);
}

Frame* Vcpu::ToGuestWithInterrupts(Cpu& cpu, Thread& thread) {
  if (WriteListRegisters()) [[likely]]
    return ToGuest(cpu, thread);
  thread.running = this;
  Exit(cpu, thread, ExitReason::kBadState);
  return Resume(cpu);
}

void Vcpu::Kick() {
  // The sleeper is woken under the lock: later it might be waiting for something else.
  LockGuard guard(lock_);
  kicked_ = true;
  // Pairs with Run's: this stores kicked_ and loads runner_, a run stores runner_ and loads
  // kicked_; one of the two sees the other.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  Thread* runner = __atomic_load_n(&runner_, __ATOMIC_ACQUIRE);
  if (runner == nullptr) return;
  if (sleeping_) {
    Scheduler::Wake(*runner);
  } else if (runner->cpu() != ThisCpu().id) {
    Poke(runner->cpu());  // out of the guest; Enter sees the kick
  }
}

void Vcpu::SleepOver() {
  LockGuard guard(lock_);
  Thread* runner = __atomic_load_n(&runner_, __ATOMIC_ACQUIRE);
  if (sleeping_ && runner != nullptr) Scheduler::Wake(*runner);
  sleeping_ = false;
}

void Vcpu::TimerInterrupt(Cpu& cpu) {
  arch::MaskVirtualTimer();
  if (cpu.guest_regime) ReadListRegisters();
  {
    LockGuard guard(lock_);
    timer_fired_ = true;  // Enter injects it
    if (cpu.guest_regime && InjectTimer()) timer_fired_ = false;
  }
  SleepOver();
}

bool Vcpu::InjectTimer() {
  const uint32_t value = state_->gic.timer_template & ~lr::kHardware;
  if (value == 0) return false;
  const uint32_t intid = value & lr::kIntidMask;
  // Guest regime: hardware_lrs_ says which list registers are in use.
  uint32_t free = gic::ListRegisters();
  for (uint32_t i = gic::ListRegisters(); i-- > 0;) {
    if ((hardware_lrs_ & Bit(i)) == 0) {
      free = i;
      continue;
    }
    const uint32_t old = gic::ReadListRegister(i);
    if ((old & lr::kIntidMask) == intid && (old & (lr::kPending | lr::kActive)) != 0) {
      gic::WriteListRegister(i, old | lr::kPending);
      return true;
    }
  }
  if (free == gic::ListRegisters()) return false;
  gic::WriteListRegister(free, value);
  hardware_lrs_ |= Bit(free);
  return true;
}

void Vcpu::MaintenanceInterrupt(Cpu& cpu) {
  // The line is a level: it stays until the VMM has refilled, so the interface is off until the
  // next entry. If the guest has been left already, it fires again then.
  gic::DisableVirtualInterface();
  interface_ = Interface::kOff;
  if (cpu.guest_regime) Exit(cpu, *cpu.current, ExitReason::kMaintenance);
}

bool Vcpu::ListRegistersChange() const {
  const Interface wanted = state_->gic.underflow != 0 ? Interface::kUnderflow : Interface::kOn;
  return (__atomic_load_n(&state_->gic.used, __ATOMIC_RELAXED) | hardware_lrs_) != 0 ||
         wanted != interface_;
}

bool Vcpu::WriteListRegisters() {
  const uint32_t all = Bit(gic::ListRegisters()) - 1;
  const uint32_t used = __atomic_load_n(&state_->gic.used, __ATOMIC_RELAXED) & all;
  uint32_t touched = used | hardware_lrs_;
  hardware_lrs_ = used;
  while (touched != 0) {
    const auto index = static_cast<uint32_t>(__builtin_ctz(touched));
    touched &= touched - 1;
    // Loaded once: another thread of the VMM may be writing.
    const uint32_t value =
        (used & Bit(index)) != 0 ? __atomic_load_n(&state_->gic.lr[index], __ATOMIC_RELAXED) : 0;
    if ((value & lr::kHardware) != 0) {
      hardware_lrs_ |= Bit(index);
      return false;
    }
    gic::WriteListRegister(index, value);
  }
  const Interface wanted = state_->gic.underflow != 0 ? Interface::kUnderflow : Interface::kOn;
  if (wanted != interface_) {
    interface_ = wanted;
    gic::EnableVirtualInterface(wanted == Interface::kUnderflow);
  }
  return true;
}

void Vcpu::ReadListRegisters() {
  uint32_t left = hardware_lrs_;
  uint32_t used = left;
  while (left != 0) {
    const auto index = static_cast<uint32_t>(__builtin_ctz(left));
    left &= left - 1;
    const uint32_t value = gic::ReadListRegister(index);
    state_->gic.lr[index] = value;
    if ((value & (lr::kPending | lr::kActive)) == 0) {
      gic::WriteListRegister(index, 0);
      used &= ~Bit(index);
    }
  }
  hardware_lrs_ = used;
  state_->gic.used = used;
}

void Vcpu::Load(Cpu& cpu) {
  EvictElsewhere(cpu);
  if (cpu.loaded != nullptr) cpu.loaded->Unload(cpu);
  arch::LoadEl1(state_->el1);
  arch::LoadVirtualTimer(state_->el1);
  gic::WriteVmcr(state_->gic.vmcr);
  gic::WriteApr(state_->gic.apr);
  interface_ = Interface::kOff;
  hardware_lrs_ = 0;
  const Vcpu*& last = guest_->last_vcpu(cpu.id);
  if (last != this) {
    // Two vCPUs of a guest share its VMID but not their address spaces.
    if (last != nullptr) {
      const uint64_t saved = PYRENE_READ_SYSREG(vttbr_el2);
      PYRENE_WRITE_SYSREG(vttbr_el2, guest_->vttbr());
      arch::Isb();
      arch::InvalidateLocalTlb();
      PYRENE_WRITE_SYSREG(vttbr_el2, saved);
      arch::Isb();
    }
    last = this;
  }
  cpu.loaded = this;
  __atomic_store_n(&loaded_on_, cpu.id, __ATOMIC_RELEASE);
}

void Vcpu::Unload(Cpu& cpu) {
  const uint64_t deadline = arch::VirtualTimerDeadline();
  arch::SaveVirtualTimer(state_->el1);
  arch::SaveEl1(state_->el1);
  for (uint32_t i = 0; hardware_lrs_ >> i != 0; ++i) {
    if ((hardware_lrs_ & Bit(i)) != 0) gic::WriteListRegister(i, 0);
  }
  hardware_lrs_ = 0;
  state_->gic.vmcr = gic::ReadVmcr();
  state_->gic.apr = gic::ReadApr();
  gic::DisableVirtualInterface();
  if (cpu.fp_owner == &fp) ReleaseFp(cpu);
  cpu.loaded = nullptr;
  {
    // A sleeper whose timer interrupt would have woken it is woken by the kernel's timer from now
    // on.
    LockGuard guard(lock_);
    if (sleeping_ && deadline != kNoDeadline && runner_ != nullptr)
      Scheduler::ArmTimeout(*runner_, deadline);
  }
  __atomic_store_n(&loaded_on_, kNowhere, __ATOMIC_RELEASE);
}

void Vcpu::EvictElsewhere(Cpu& cpu) {
  for (;;) {
    const uint32_t where = __atomic_load_n(&loaded_on_, __ATOMIC_ACQUIRE);
    if (where == kNowhere || where == cpu.id) return;
    Vcpu* nobody = nullptr;
    if (__atomic_compare_exchange_n(&cpus[where].evict, &nobody, this, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED))
      Poke(where);
    // The other CPU may be waiting for us in the same way.
    ServeEviction(cpu);
    arch::Relax();
  }
}

Status Vcpu::Sync(Cpu& cpu, Thread& thread) {
  if (!Claim(thread)) return Status::kBusy;
  EvictElsewhere(cpu);
  if (cpu.loaded == this) Unload(cpu);
  Release();
  return Status::kOk;
}

Status Vcpu::Translate(Cpu& cpu, Thread& thread, uint64_t address, bool write, uint64_t pages) {
  if (pages == 0 || pages > VcpuState::kMaxTranslations) return Status::kBadArgument;
  if (!Claim(thread)) return Status::kBusy;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);  // see LeaveDomain
  if (ended_) {
    Release();
    return Status::kGone;
  }
  if (cpu.loaded != this) Load(cpu);
  const uint32_t additions = __atomic_load_n(&page_table_additions, __ATOMIC_ACQUIRE);
  arch::TranslateForGuest(state_->el1, guest_->vttbr(), cpu.service_vttbr, address, write,
                          state_->translation, static_cast<unsigned>(pages));
  // The guest's tables may lie in a block that was being split: then once more.
  bool broken = false;
  for (uint64_t i = 0; i < pages; ++i)
    broken |= (state_->translation[i] & arch::kParStage2Fault) == arch::kParStage2Fault;
  Release();
  if (broken && ((additions & 1) != 0 ||
                 additions != __atomic_load_n(&page_table_additions, __ATOMIC_RELAXED)))
    return kRestart;
  return Status::kOk;
}

void Vcpu::Abandon() {
  LockGuard guard(lock_);
  sleeping_ = false;
  Release();
}

}  // namespace pyrene
