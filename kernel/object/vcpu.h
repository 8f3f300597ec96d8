// SPDX-License-Identifier: Apache-2.0
//
// Vcpu: a guest's CPU. A thread of its VMM runs it (vcpu_run): the two are one scheduling entity,
// and an exit is a return from a system call. EL1 registers stay in the hardware until another vCPU
// comes onto that CPU ("loaded").
//
// Lost wake-ups: `kicked_`, `timer_fired_` and `sleeping_` are guarded by lock_. Sleep() decides
// under the lock that Kick() takes, so a kick comes either before, and the run returns at once, or
// after, and finds the sleeper (tests/model/run_kick_wfi.pml).
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/abi/syscall.h"
#include "kernel/abi/vcpu_state.h"
#include "kernel/arch/fp.h"
#include "kernel/arch/frame.h"
#include "kernel/lib/list.h"
#include "kernel/lib/spinlock.h"
#include "kernel/memory/layout.h"
#include "kernel/object/memory_object.h"
#include "kernel/object/object.h"

namespace pyrene {

class Domain;
class Thread;
struct Cpu;

struct DomainVcpusTag {};

class Vcpu final : public Object, public ListHook<DomainVcpusTag> {
 public:
  // The state page comes out of `payer`. The caller maps it.
  [[nodiscard]] static Vcpu* Create(Account& payer, Domain& guest, uint64_t affinity);
  // Structure lock. Nobody runs it any more, and no CPU has its state.
  void Detach();
  ~Vcpu();
  // Maps the state page at `address` in the VMM. Structure lock.
  Status ShareState(Domain& vmm, uint64_t address);

  VcpuState* state() const { return state_; }
  Domain* guest() const { return guest_; }
  void LeaveDomain();  // the guest domain ends: no run any more

  // Own CPU, thread.running is this: loads what is needed and enters. nullptr: it exits instead;
  // the thread's frame has the reason.
  Frame* Enter(Cpu& cpu, Thread& thread);
  // Ends the run; the general registers are in the state page already.
  void Exit(Cpu& cpu, Thread& thread, ExitReason reason);
  // Out of the guest regime, the run goes on later: another thread comes.
  void Pause(Cpu& cpu);

  // A guest's exception that the VMM shall see: back into its thread, whose Frame is returned. Own
  // CPU. Inline (vcpu_switch.h), as is Run.
  Resumption ExitForException(Cpu& cpu, Thread& thread, uint64_t esr);
  Resumption ExitForHypercall(Cpu& cpu, Thread& thread, uint64_t esr);
  Resumption ExitForAbort(Cpu& cpu, Thread& thread, uint64_t esr);
  // vcpu_run by `thread` on its CPU: what to run with.
  Frame* Run(Cpu& cpu, Thread& thread, uint64_t flags);

  void Kick();
  // PPI 27 on the CPU where this vCPU is loaded.
  void TimerInterrupt(Cpu& cpu);
  // The thread that sleeps in its name is woken: by its deadline.
  void SleepOver();
  // PPI 25.
  void MaintenanceInterrupt(Cpu& cpu);
  // The run ends because its thread does.
  void Abandon();

  // State in the page, nothing in the hardware. Waits for another CPU if need be.
  Status Sync(Cpu& cpu, Thread& thread);
  Status Translate(Cpu& cpu, Thread& thread, uint64_t address, bool write, uint64_t pages);

  // Own CPU, service regime: hardware to page.
  void Unload(Cpu& cpu);

  FpState fp = {};

 private:
  explicit Vcpu(Account& payer, Domain& guest, VcpuState* state)
      : Object(payer),
        guest_(&guest),
        state_(state),
        page_(payer, PhysicalOf(state), 1, MemoryType::kRam) {}

  bool Claim(Thread& thread) {
    Thread* nobody = nullptr;
    return __atomic_compare_exchange_n(&runner_, &nobody, &thread, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
  }
  void Release() { __atomic_store_n(&runner_, static_cast<Thread*>(nullptr), __ATOMIC_RELEASE); }
  Resumption ToVmm(Cpu& cpu, Thread& thread);
  Resumption ToVmmWithInterrupts(Cpu& cpu, Thread& thread);
  Frame* ToGuest(Cpu& cpu, Thread& thread);
  Frame* ToGuestWithInterrupts(Cpu& cpu, Thread& thread);
  Frame* RunDisturbed(Cpu& cpu, Thread& thread, uint64_t flags);
  void Load(Cpu& cpu);
  void EvictElsewhere(Cpu& cpu);
  bool ListRegistersChange() const;
  bool WriteListRegisters();
  void ReadListRegisters();
  bool InjectTimer();
  bool InterruptPending() const;
  uint64_t SavedDeadline() const;

  static constexpr uint32_t kNowhere = ~uint32_t{0};

  Domain* guest_;
  VcpuState* state_;
  MemoryObject page_;         // knows where the state page is mapped, and unmaps it at the end
  Thread* runner_ = nullptr;  // set by compare-and-exchange: who runs, syncs or translates
  uint32_t loaded_on_ = kNowhere;

  SpinLock lock_;
  // In one word, so that a run can look at all of them at once.
  alignas(uint64_t) bool kicked_ = false;
  bool timer_fired_ = false;  // PPI 27 was taken and is not yet injected
  bool sleeping_ = false;
  bool ended_ = false;  // its domain ends: no run begins. See LeaveDomain
  enum class Interface : uint8_t { kOn, kOff, kUnderflow };
  Interface interface_ = Interface::kOff;  // GICH_HCR as set, while loaded
  [[maybe_unused]] uint8_t unused_[3] = {};
  // None of these asks for more than the switch. After Claim: sees what Kick and LeaveDomain
  // stored before they saw nobody run.
  bool Undisturbed() const {
    using Word [[gnu::may_alias]] = uint64_t;
    return __atomic_load_n(reinterpret_cast<const Word*>(&kicked_), __ATOMIC_SEQ_CST) == 0;
  }

  static constexpr uint32_t kFirstOnly = 1;
  uint32_t hardware_lrs_ = 0;  // list registers that are not zero in the hardware
};

}  // namespace pyrene
