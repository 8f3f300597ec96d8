// SPDX-License-Identifier: Apache-2.0
//
// One CPU's scheduler: 32 fixed priorities, round robin within one, a slice scaled by the thread's
// weight. The running thread is not in a queue. Any CPU may wake a thread of any other; the lock of
// the thread's CPU guards its state, place in the queue and timeout.
#pragma once

#include <cstdint>

#include "kernel/abi/syscall.h"
#include "kernel/lib/list.h"
#include "kernel/lib/spinlock.h"
#include "kernel/lib/timeout_queue.h"

namespace pyrene {

class Thread;
struct ReadyTag;

class Scheduler final {
 public:
  // The calling CPU's current thread stops being ready until Wake; with a deadline,
  // Thread::TimedOut is called when it passes. The CPU goes on running kernel code; Reschedule
  // picks another thread on the way out.
  static void Block(Thread& thread, uint64_t deadline);
  // Makes a blocked or stopped thread ready. Does nothing to a ready one.
  static void Wake(Thread& thread);
  // Takes a thread off the ready queue or its timeout off the heap, with the state it gets. The
  // thread must not be running elsewhere.
  static void Retire(Thread& thread, ThreadState state);

  // Own CPU only, from here on.
  bool reschedule_wanted() const { return wanted_; }
  void WantReschedule() { wanted_ = true; }
  // The current thread goes behind its equals.
  void Yield() {
    wanted_ = true;
    slice_end_ = 0;
  }
  // Puts `current` (nullptr or no longer ready: not) behind its equals and takes the most urgent
  // ready thread; nullptr: none.
  Thread* Pick(Thread* current);
  // The current thread's slice is over, or deadlines have passed: the timer interrupt.
  void TimerInterrupt();
  // Programs the hypervisor timer for the next deadline or the end of the slice.
  void ProgramTimer();
  // A vCPU's timer is queued like a thread's timeout.
  void ArmTimeout(TimeoutNode* node, uint64_t deadline);
  void DisarmTimeout(TimeoutNode* node);

 private:
  friend class Thread;
  void Enqueue(Thread& thread, bool front);
  void Dequeue(Thread& thread);

  SpinLock lock_;
  uint32_t ready_ = 0;  // bit p: queue p is not empty
  List<Thread, ReadyTag> queue_[kPriorities];
  TimeoutQueue timeouts_;
  bool wanted_ = false;
  bool sliced_ = false;  // the running thread shares its priority and has a slice
  uint64_t slice_end_ = 0;
  uint64_t switched_at_ = 0;  // when the running thread was switched to
  uint64_t programmed_ = ~uint64_t{0};
};

}  // namespace pyrene
