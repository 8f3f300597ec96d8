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

void Scheduler::Enqueue(Thread& thread, bool front) {
  const uint32_t priority = thread.parameters_.priority;
  if (front) {
    queue_[priority].PushFront(&thread);
  } else {
    queue_[priority].PushBack(&thread);
  }
  ready_ |= 1u << priority;
}

void Scheduler::Dequeue(Thread& thread) {
  List<Thread, ReadyTag>::Remove(&thread);
  const uint32_t priority = thread.parameters_.priority;
  if (queue_[priority].empty()) ready_ &= ~(1u << priority);
}

void Scheduler::Block(Thread& thread, uint64_t deadline) {
  Scheduler& self = cpus[thread.cpu()].scheduler;
  LockGuard guard(self.lock_);
  thread.state_ = ThreadState::kBlocked;
  if (deadline != kNoDeadline) self.timeouts_.Insert(&thread, deadline);
  self.wanted_ = true;
}

void Scheduler::Wake(Thread& thread) {
  Cpu& cpu = cpus[thread.cpu()];
  Scheduler& self = cpu.scheduler;
  bool poke = false;
  {
    LockGuard guard(self.lock_);
    if (thread.state_ != ThreadState::kBlocked && thread.state_ != ThreadState::kStopped) return;
    thread.state_ = ThreadState::kReady;
    self.timeouts_.Remove(&thread);
    // A thread that blocked a moment ago may still be its CPU's current one; Pick finds it in the
    // queue.
    self.Enqueue(thread, false);
    const Thread* current = cpu.current;
    const bool urgent =
        current == nullptr || current->state_ != ThreadState::kReady ||
        thread.parameters_.priority > current->parameters_.priority ||
        (thread.parameters_.priority == current->parameters_.priority && !self.sliced_);
    if (urgent) {
      poke = &cpu != &ThisCpu();
      if (!poke) self.wanted_ = true;
    }
  }
  if (poke) Poke(cpu.id);
}

void Scheduler::Retire(Thread& thread, ThreadState state) {
  Scheduler& self = cpus[thread.cpu()].scheduler;
  LockGuard guard(self.lock_);
  if (List<Thread, ReadyTag>::Linked(&thread)) self.Dequeue(thread);
  self.timeouts_.Remove(&thread);
  thread.state_ = state;
}

Thread* Scheduler::Pick(Thread* current) {
  const uint64_t now = arch::Counter();
  if (current != nullptr) current->AddCpuTime(now - switched_at_);
  LockGuard guard(lock_);
  wanted_ = false;
  if (current != nullptr && current->state_ == ThreadState::kReady &&
      !List<Thread, ReadyTag>::Linked(current)) {
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
  }
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

void Scheduler::ArmTimeout(TimeoutNode* node, uint64_t deadline) {
  LockGuard guard(lock_);
  timeouts_.Remove(node);
  timeouts_.Insert(node, deadline);
}

void Scheduler::DisarmTimeout(TimeoutNode* node) {
  LockGuard guard(lock_);
  timeouts_.Remove(node);
}

}  // namespace pyrene
