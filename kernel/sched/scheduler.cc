// SPDX-License-Identifier: Apache-2.0
#include "kernel/sched/scheduler.h"

#include "kernel/arch/timer.h"
#include "kernel/object/thread.h"
#include "kernel/sched/cpu.h"

namespace pyrene {
namespace {

constexpr uint64_t kSliceMicroseconds = 5000;
constexpr uint64_t kUnitWeight = 256;

uint64_t SliceOf(const Thread& thread) {
  return arch::TicksOf(kSliceMicroseconds) * thread.parameters().weight / kUnitWeight;
}

}  // namespace

bool Scheduler::Throttle(Thread& thread) {
  if (thread.budget_ == 0) return false;
  const uint64_t now = arch::Counter();
  if (now >= thread.period_end_) {
    thread.budget_left_ =
        static_cast<int64_t>(thread.budget_) + (thread.budget_left_ < 0 ? thread.budget_left_ : 0);
    thread.period_end_ = now + thread.period_;
  }
  if (thread.budget_left_ > 0) return false;
  thread.throttled_ = true;
  timeouts_.Insert(&thread, thread.period_end_);
  return true;
}

void Scheduler::Unthrottle(Thread& thread) {
  Scheduler& self = LockHome(thread);  // another CPU may have moved it since its timeout
  if (thread.throttled_) {
    thread.throttled_ = false;
    self.Enqueue(thread, false);
    Poke(thread.cpu());
  }
  self.lock_.Unlock();
}

void Scheduler::Enqueue(Thread& thread, bool front) {
  if (Throttle(thread)) return;
  const uint32_t priority = thread.priority_;
  if (front) {
    queue_[priority].PushFront(&thread);
  } else {
    queue_[priority].PushBack(&thread);
  }
  ready_ |= 1u << priority;
}

void Scheduler::Dequeue(Thread& thread) {
  List<Thread, ReadyTag>::Remove(&thread);
  const uint32_t priority = thread.priority_;
  if (queue_[priority].empty()) ready_ &= ~(1u << priority);
}

void Scheduler::Block(Thread& thread, uint64_t deadline) {
  Scheduler& self = cpus[thread.cpu()].scheduler;
  LockGuard guard(self.lock_);
  thread.state_ = ThreadState::kBlocked;
  if (deadline != kNoDeadline) self.timeouts_.Insert(&thread, deadline);
  self.wanted_ = true;
}

void Scheduler::SetPriority(Thread& thread, uint32_t priority) {
  const bool queued = List<Thread, ReadyTag>::Linked(&thread);
  if (queued) Dequeue(thread);
  thread.priority_ = static_cast<uint8_t>(priority);
  if (queued) Enqueue(thread, false);
}

void Scheduler::Lend(Thread& thread, uint32_t priority, Thread* donor) {
  Scheduler& self = LockHome(thread);
  thread.donor_ = donor;
  self.SetPriority(thread, priority);
  self.lock_.Unlock();
}

void Scheduler::Donate(Thread& caller, Thread& server) {
  Cpu& cpu = cpus[caller.cpu()];
  LockGuard guard(cpu.scheduler.lock_);
  caller.state_ = ThreadState::kBlocked;
  server.donor_ = &caller;
  if (caller.priority_ > server.priority_) cpu.scheduler.SetPriority(server, caller.priority_);
  if (server.state_ != ThreadState::kBlocked) {
    cpu.scheduler.wanted_ = true;  // it was stopped while it waited: it has the message for later
    return;
  }
  server.state_ = ThreadState::kReady;
  cpu.scheduler.running_priority_ = server.priority_;
  __atomic_store_n(&cpu.current, &server, __ATOMIC_RELEASE);
}

void Scheduler::ReturnDonation(Thread& server, Thread& client) {
  Cpu& cpu = cpus[server.cpu()];
  Scheduler& self = cpu.scheduler;
  LockGuard guard(self.lock_);
  server.state_ = ThreadState::kBlocked;
  server.donor_ = nullptr;
  self.SetPriority(server, server.parameters_.priority);
  if (client.state_ != ThreadState::kBlocked) {
    self.wanted_ = true;  // stopped meanwhile
    return;
  }
  client.state_ = ThreadState::kReady;
  if (self.ready_ >> client.priority_ > 1) {
    // Preempted in the server's place: to the front of its queue, and the scheduler decides.
    self.Enqueue(client, true);
    self.wanted_ = true;
    return;
  }
  self.running_priority_ = client.priority_;
  __atomic_store_n(&cpu.current, &client, __ATOMIC_RELEASE);
}

Scheduler& Scheduler::LockHome(Thread& thread) {
  for (;;) {
    const uint32_t home = thread.cpu();
    Scheduler& scheduler = cpus[home].scheduler;
    scheduler.lock_.Lock();
    if (thread.cpu() == home) return scheduler;
    scheduler.lock_.Unlock();
  }
}

void Scheduler::MakeReady(Thread& thread, ThreadState from) {
  Scheduler& self = LockHome(thread);
  Cpu& cpu = cpus[thread.cpu()];
  bool urgent = false;
  if (thread.state_ == from) {
    thread.state_ = ThreadState::kReady;
    self.timeouts_.Remove(&thread);
    // A thread that blocked a moment ago may still be its CPU's current one; Pick finds it in the
    // queue.
    self.Enqueue(thread, false);
    urgent = cpu.current == nullptr || thread.priority_ > self.running_priority_ ||
             (thread.priority_ == self.running_priority_ && !self.sliced_);
    if (urgent && &cpu == &ThisCpu()) self.wanted_ = true;
  }
  self.lock_.Unlock();
  if (urgent && &cpu != &ThisCpu()) Poke(cpu.id);
}

void Scheduler::Wake(Thread& thread) { MakeReady(thread, ThreadState::kBlocked); }

void Scheduler::Start(Thread& thread) { MakeReady(thread, ThreadState::kStopped); }

bool Scheduler::Retire(Thread& thread, ThreadState state, bool only_ready) {
  Scheduler& self = LockHome(thread);
  const bool retires = !only_ready || thread.state_ == ThreadState::kReady;
  if (retires) {
    if (List<Thread, ReadyTag>::Linked(&thread)) self.Dequeue(thread);
    self.timeouts_.Remove(&thread);
    thread.throttled_ = false;
    thread.state_ = state;
  }
  self.lock_.Unlock();
  return retires;
}

bool Scheduler::Change(Thread& thread, ThreadParameters parameters) {
  // Under the structure lock, so no other thread moves meanwhile: the order of the two locks does
  // not matter.
  Cpu& from = cpus[thread.cpu()];
  Cpu& to = cpus[parameters.cpu];
  LockGuard guard(from.scheduler.lock_);
  if (&from != &to) {
    if (from.current == &thread || from.el0 == &thread || from.fp_owner == &thread.fp) return false;
    to.scheduler.lock_.Lock();
  }
  const bool queued = List<Thread, ReadyTag>::Linked(&thread);
  const bool timed = thread.queued;
  const uint64_t deadline = thread.deadline;
  if (queued) from.scheduler.Dequeue(thread);
  if (timed && &from != &to) from.scheduler.timeouts_.Remove(&thread);
  thread.parameters_ = parameters;
  if (thread.donor_ == nullptr) thread.priority_ = parameters.priority;
  if (queued) to.scheduler.Enqueue(thread, false);
  if (timed && &from != &to) to.scheduler.timeouts_.Insert(&thread, deadline);
  if (&from != &to) to.scheduler.lock_.Unlock();
  Poke(to.id);  // its timer, or its choice of thread, may have to change
  return true;
}

Thread* Scheduler::Pick(Thread* current) {
  const uint64_t now = arch::Counter();
  if (current != nullptr) current->AddCpuTime(now - switched_at_);
  LockGuard guard(lock_);
  wanted_ = false;
  if (current != nullptr && current->state_ == ThreadState::kReady &&
      !List<Thread, ReadyTag>::Linked(current) && !current->throttled_) {
    const bool expired = sliced_ && now >= slice_end_;
    current->slice_left_ = sliced_ && !expired ? slice_end_ - now : 0;
    Enqueue(*current, !expired);
  }
  Thread* next = nullptr;
  sliced_ = false;
  if (ready_ != 0) {
    const auto priority = 31 - static_cast<uint32_t>(__builtin_clz(ready_));
    next = queue_[priority].front();
    Dequeue(*next);
    if (!queue_[priority].empty()) {
      sliced_ = true;
      slice_end_ = now + (next->slice_left_ != 0 ? next->slice_left_ : SliceOf(*next));
    }
    const uint64_t left = next->budget_left_ > 0 ? static_cast<uint64_t>(next->budget_left_) : 0;
    if (next->budget_ != 0 && (!sliced_ || slice_end_ - now > left)) {
      sliced_ = true;
      slice_end_ = now + left;
    }
  }
  running_priority_ = next == nullptr ? 0 : next->priority_;
  // Under the lock: whoever stops or moves a thread sees it in the queue or running, never between.
  __atomic_store_n(&ThisCpu().current, next, __ATOMIC_RELEASE);
  switched_at_ = now;
  return next;
}

void Scheduler::TimerInterrupt() {
  const uint64_t now = arch::Counter();
  for (;;) {
    Thread* thread;
    {
      LockGuard guard(lock_);
      TimeoutNode* node = timeouts_.earliest();
      if (node == nullptr || node->deadline > now) break;
      timeouts_.Remove(node);
      thread = static_cast<Thread*>(node);
    }
    // Without the lock: the notification's comes before the scheduler's. The thread cannot be freed
    // meanwhile (Quiesce).
    thread->TimedOut();
  }
  if (sliced_ && now >= slice_end_) wanted_ = true;
  programmed_ = 0;  // fired: ProgramTimer writes whatever comes next, "off" too
}

void Scheduler::ProgramTimer() {
  // The root may be removed by another CPU at the same time; then the timer fires once for nothing.
  uint64_t next = sliced_ ? slice_end_ : ~uint64_t{0};
  {
    LockGuard guard(lock_);
    const TimeoutNode* node = timeouts_.earliest();
    if (node != nullptr && node->deadline < next) next = node->deadline;
  }
  if (next == programmed_) return;
  programmed_ = next;
  arch::SetHypervisorTimer(next);
}

void Scheduler::ArmTimeout(Thread& thread, uint64_t deadline) {
  Scheduler& self = LockHome(thread);
  const bool armed = thread.state_ == ThreadState::kBlocked;
  if (armed) {
    self.timeouts_.Remove(&thread);
    self.timeouts_.Insert(&thread, deadline);
  }
  self.lock_.Unlock();
  if (!armed) return;
  if (&self == &ThisCpu().scheduler) {
    self.ProgramTimer();
  } else {
    Poke(thread.cpu());
  }
}

}  // namespace pyrene
