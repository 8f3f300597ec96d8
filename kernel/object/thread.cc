// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/thread.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/sysreg.h"
#include "kernel/object/domain.h"
#include "kernel/object/notification.h"
#include "kernel/object/vcpu.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/fp_switch.h"
#include "kernel/sched/scheduler.h"

namespace pyrene {

Thread::Thread(Account& payer, Domain& domain, uint64_t entry, uint64_t stack_pointer,
               uint64_t argument, ThreadParameters parameters)
    : Object(payer), sp_el0(stack_pointer), domain_(&domain), parameters_(parameters) {
  frame_.pc = entry;
  frame_.x[0] = argument;
  frame_.pstate = arch::pstate::kEl0t;
  domain.threads().PushBack(this);
}

Thread::~Thread() {
  Stop(ThreadState::kExited);
  LeaveDomain();
  Cpu& self = ThisCpu();
  if (self.current == this) self.current = nullptr;
  for (Cpu& cpu : cpus) {
    if (cpu.el0 == this) cpu.el0 = nullptr;
  }
  ForgetFp(fp);
}

void Thread::LeaveDomain() {
  if (domain_ == nullptr) return;
  List<Thread, DomainThreadsTag>::Remove(this);
  domain_ = nullptr;
}

Status Thread::Start() {
  if (domain_ == nullptr || domain_->dying()) return Status::kGone;
  if (state_ == ThreadState::kExited) return Status::kGone;
  if (state_ == ThreadState::kFaulted) {
    // Its supervisor has dealt with the fault; the instruction is tried again.
    Scheduler::Retire(*this, ThreadState::kStopped);
  }
  Scheduler::Wake(*this);
  return Status::kOk;
}

void Thread::Stop(ThreadState state) {
  // 1. A wait ends first, so that no signal finds a thread that is being stopped.
  Notification* notification = __atomic_load_n(&waiting_on_, __ATOMIC_ACQUIRE);
  if (notification != nullptr) notification->CancelWait(*this, Status::kGone);
  // 2. Off the queues, with a state that Pick does not take up again.
  if (state_ != ThreadState::kExited) Scheduler::Retire(*this, state);
  // 3. Off the CPU. A CPU that waits for the structure lock, which we hold, restarts its call and
  // so comes to its scheduler.
  Cpu& home = cpus[cpu()];
  if (&home == &ThisCpu()) {
    home.scheduler.WantReschedule();
  } else {
    while (__atomic_load_n(&home.current, __ATOMIC_ACQUIRE) == this) {
      Poke(home.id);
      ServeEviction(ThisCpu());
      arch::Relax();
    }
  }
  if (state == ThreadState::kExited && running != nullptr && home.current != this) {
    running->Abandon();
    running = nullptr;
  }
}

void Thread::StopRunning() {
  Stop(ThreadState::kStopped);
  if (running == nullptr) return;
  Cpu& self = ThisCpu();
  if (self.guest_regime && self.loaded == running) running->Pause(self);
  running->Abandon();
  running = nullptr;
  SetResult(Status::kGone);
  Scheduler::Wake(*this);
}

void Thread::SetParameters(ThreadParameters parameters) {
  // Taken off all queues and put back with the new values; its FP registers must not stay behind on
  // another CPU.
  const ThreadState before = state_;
  if (before == ThreadState::kExited) return;
  if (before == ThreadState::kBlocked && parameters.cpu == parameters_.cpu) {
    // Queues know its priority only while it is ready.
    parameters_ = parameters;
    return;
  }
  const bool current = &cpus[cpu()] == &ThisCpu() && ThisCpu().current == this;
  Stop(ThreadState::kStopped);
  if (parameters.cpu != parameters_.cpu) {
    if (current) {
      Cpu& self = ThisCpu();
      if (self.fp_owner == &fp) ReleaseFp(self);
      if (self.el0 == this) {
        sp_el0 = PYRENE_READ_SYSREG(sp_el0);
        tpidr_el0 = PYRENE_READ_SYSREG(tpidr_el0);
        self.el0 = nullptr;
      }
      self.current = nullptr;
    }
  }
  parameters_ = parameters;
  if (before != ThreadState::kStopped && before != ThreadState::kFaulted) Scheduler::Wake(*this);
}

void Thread::AddCpuTime(uint64_t ticks) {
  __atomic_store_n(&cpu_time_, cpu_time_ + ticks, __ATOMIC_RELAXED);
  if (domain_ != nullptr) domain_->AddCpuTime(ticks);
}

void Thread::TimedOut() {
  Notification* notification = __atomic_load_n(&waiting_on_, __ATOMIC_ACQUIRE);
  if (notification != nullptr) {
    notification->CancelWait(*this, Status::kTimeout);
  } else if (running != nullptr) {
    running->SleepOver();
  }
}

void Thread::Fault(uint64_t esr, uint64_t far) {
  Scheduler::Retire(*this, ThreadState::kFaulted);
  ThisCpu().scheduler.WantReschedule();
  if (domain_ != nullptr) domain_->Report({FaultKind::kFault, id(), esr, far, frame_.pc});
}

void Thread::Exit(uint64_t status) {
  Scheduler::Retire(*this, ThreadState::kExited);
  ThisCpu().scheduler.WantReschedule();
  if (domain_ != nullptr) domain_->Report({FaultKind::kExit, id(), status, 0, frame_.pc});
}

void Thread::SetUpcall(uint64_t entry, uint64_t stack_pointer) {
  upcall_entry_ = entry;
  upcall_stack_ = stack_pointer;
}

bool Thread::Upcall(uint64_t esr, uint64_t far) {
  if (upcall_entry_ == 0 || in_upcall_) return false;
  upcall_ = {frame_.pc, PYRENE_READ_SYSREG(sp_el0), frame_.pstate, esr, far};
  in_upcall_ = true;
  frame_.pc = upcall_entry_;
  PYRENE_WRITE_SYSREG(sp_el0, upcall_stack_);
  return true;
}

Status Thread::ReturnFromUpcall() {
  if (!in_upcall_) return Status::kBadCall;
  in_upcall_ = false;
  frame_.pc = upcall_.pc;
  // Condition flags only: the rest of a service's PSTATE is the kernel's.
  frame_.pstate = upcall_.pstate & arch::pstate::kConditionFlags;
  PYRENE_WRITE_SYSREG(sp_el0, upcall_.sp);
  return Status::kOk;
}

Status Thread::MoveUpcall(uint64_t pc) {
  if (!in_upcall_) return Status::kBadCall;
  upcall_.pc = pc;
  return Status::kOk;
}

}  // namespace pyrene
