// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/thread.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/sysreg.h"
#include "kernel/log/panic.h"
#include "kernel/object/domain.h"
#include "kernel/object/notification.h"
#include "kernel/object/vcpu.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/eviction.h"
#include "kernel/sched/fp_switch.h"
#include "kernel/sched/quiesce.h"
#include "kernel/sched/scheduler.h"

namespace pyrene {

Thread::Thread(Account& payer, Domain& domain, uint64_t entry, uint64_t stack_pointer,
               uint64_t argument, ThreadParameters parameters)
    : Object(payer),
      sp_el0(stack_pointer),
      domain_(&domain),
      parameters_(parameters),
      priority_(parameters.priority) {
  frame_.pc = entry;
  frame_.x[0] = argument;
  frame_.pstate = arch::pstate::kEl0t;
  domain.threads().PushBack(this);
}

void Thread::Detach() {
  Stop(ThreadState::kExited);
  EvictThread(*this);
  LeaveDomain();
  Cpu& self = ThisCpu();
  if (self.current == this) self.current = nullptr;
}

void Thread::LeaveDomain() {
  if (domain_ == nullptr) return;
  List<Thread, DomainThreadsTag>::Remove(this);
  domain_ = nullptr;
}

Status Thread::Start() {
  if (domain_ == nullptr || domain_->dying() || state_ == ThreadState::kExited)
    return Status::kGone;
  // Its supervisor has dealt with the fault; the instruction is tried again.
  if (state_ == ThreadState::kFaulted) Scheduler::Retire(*this, ThreadState::kStopped);
  Scheduler::Start(*this);
  return Status::kOk;
}

void Thread::LeaveWaits(bool for_good) {
  if (Notification* notification = __atomic_load_n(&waiting_on_, __ATOMIC_ACQUIRE))
    notification->CancelWait(*this, Status::kGone);
  if (Port* waits = __atomic_load_n(&port, __ATOMIC_ACQUIRE)) waits->LeaveWait(*this);
  if (!for_good) return;
  if (Port* serves = __atomic_load_n(&serving, __ATOMIC_ACQUIRE)) serves->LeaveService(*this);
}

void Thread::WaitUntilOff(const Cpu& home) const {
  while (__atomic_load_n(&home.current, __ATOMIC_ACQUIRE) == this) {
    Poke(home.id);
    ServeEviction(ThisCpu());
    arch::Relax();
  }
}

void Thread::Stop(ThreadState state) {
  const bool for_good = state == ThreadState::kExited;
  Cpu& home = cpus[cpu()];
  for (;;) {
    // 1. Off the queues, so that nothing wakes it. 2. It waits for nothing any more.
    const ThreadState now = state_;
    if (now == ThreadState::kReady || now == ThreadState::kBlocked || (for_good && now != state))
      Scheduler::Retire(*this, state);
    LeaveWaits(for_good);
    // 3. Off the CPU. One that waits for the structure lock, which we hold, restarts its call and
    // so comes to its scheduler.
    if (&home == &ThisCpu()) {
      home.scheduler.WantReschedule();
      break;
    }
    WaitUntilOff(home);
    // 4. In the kernel on its CPU it may have blocked, faulted or begun to wait between 1 and 3:
    // then once more. It does not run now, and only we could start it.
    const ThreadState after = state_;
    const bool stopped = after != ThreadState::kReady && after != ThreadState::kBlocked &&
                         (!for_good || after == state);
    if (stopped && waiting_on_ == nullptr && port == nullptr && (!for_good || serving == nullptr))
      break;
  }
  if (for_good) {
    EndRun();
  } else {
    // A CPU that has just ended its wait may be about to wake it: if it were started, and waited
    // for something else by then, that would be taken for the wake-up.
    Quiesce();
  }
}

bool Thread::EndRun() {
  if (running == nullptr) return false;
  Cpu& self = ThisCpu();
  if (self.guest_regime && self.loaded == running) running->Pause(self);
  running->Abandon();
  running = nullptr;
  return true;
}

void Thread::StopRunning() {
  const bool resume = state_ == ThreadState::kReady || state_ == ThreadState::kBlocked;
  Stop(ThreadState::kStopped);
  if (EndRun()) SetResult(Status::kGone);
  if (resume) Scheduler::Start(*this);
}

void Thread::SetParameters(ThreadParameters parameters) {
  if (state_ == ThreadState::kExited) return;
  bool was_ready = false;
  while (!Scheduler::Change(*this, parameters)) {
    // It moves to another CPU, and this one is not done with it.
    was_ready |= Scheduler::Retire(*this, ThreadState::kStopped, true);
    Cpu& home = cpus[cpu()];
    if (&home == &ThisCpu()) {
      if (home.current == this) {
        // It moves itself: nothing of its call is left to do here.
        SetResult(Status::kOk);
        home.current = nullptr;
      }
    } else {
      WaitUntilOff(home);
    }
    EvictThread(*this);
  }
  if (was_ready) Scheduler::Start(*this);
}

void Thread::SetBudget(uint64_t budget, uint64_t period) {
  budget_ = budget;
  budget_left_ = 0;
  period_ = period;
  period_end_ = 0;
}

void Thread::Serve(Thread& caller) {
  Scheduler::Lend(*this, caller.priority_ > priority_ ? caller.priority_ : priority_, &caller);
}

void Thread::EndService() { Scheduler::Lend(*this, parameters_.priority, nullptr); }

void Thread::AddCpuTime(uint64_t ticks) {
  // Whoever called, and called him, pays: each link ends with its call.
  Thread* payer = this;
  while (payer->donor_ != nullptr) payer = payer->donor_;
  __atomic_store_n(&payer->cpu_time_, payer->cpu_time_ + ticks, __ATOMIC_RELAXED);
  // What the timer came too late for is owed, up to eight budgets.
  const int64_t left = payer->budget_left_ - static_cast<int64_t>(ticks);
  const int64_t least = -8 * static_cast<int64_t>(payer->budget_);
  payer->budget_left_ = left > least ? left : least;
  if (payer->domain_ != nullptr) payer->domain_->AddCpuTime(ticks);
}

void Thread::TimedOut() {
  if (throttled_) return Scheduler::Unthrottle(*this);
  Notification* notification = __atomic_load_n(&waiting_on_, __ATOMIC_ACQUIRE);
  if (notification != nullptr) {
    notification->CancelWait(*this, Status::kTimeout);
  } else if (running != nullptr) {
    running->SleepOver();
  }
}

void Thread::Fault(uint64_t esr, uint64_t far) {
  if (this == root) InitFailure(esr, far, frame_.pc);
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
