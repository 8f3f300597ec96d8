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
  // A call between threads of one CPU: `caller`, the current thread, blocks; `server`, which
  // waited, becomes the current thread, on the caller's time and priority. No queue is touched.
  static void Donate(Thread& caller, Thread& server);
  // The reply: `server`, the current thread, waits again; `client` goes on in its place, unless
  // something more urgent is ready.
  static void ReturnDonation(Thread& server, Thread& client);
  // A thread's priority and who pays for its time (nullptr: itself), for as long as it serves
  // somebody.
  static void Lend(Thread& thread, uint32_t priority, Thread* donor);
  // Makes a blocked thread ready; does nothing to any other.
  static void Wake(Thread& thread);
  // Makes a stopped thread ready; does nothing to any other.
  static void Start(Thread& thread);
  // Takes a thread off the ready queue and its timeout off the heap, with the state it gets. The
  // CPU that runs it is not told. `only_ready`: does nothing to any other, and says so; one that
  // waits must not be started again, because whoever ends its wait would take it out of the next.
  static bool Retire(Thread& thread, ThreadState state, bool only_ready = false);
  // New parameters. On another CPU only if the thread is not running, and nothing of it is left in
  // its CPU's registers; else false.
  [[nodiscard]] static bool Change(Thread& thread, ThreadParameters parameters);
  // Its period is over. Any CPU.
  static void Unthrottle(Thread& thread);

  // Own CPU only, from here on.
  bool reschedule_wanted() const { return wanted_; }
  void WantReschedule() { wanted_ = true; }
  // The current thread goes behind its equals.
  void Yield() {
    wanted_ = true;
    slice_end_ = 0;
  }
  // Puts `current` (nullptr or no longer ready: not) behind its equals and takes the most urgent
  // ready thread; nullptr: none. It is the CPU's current one then.
  Thread* Pick(Thread* current);
  // The current thread's slice is over, or deadlines have passed: the timer interrupt.
  void TimerInterrupt();
  // Programs the hypervisor timer for the next deadline or the end of the slice.
  void ProgramTimer();
  // The deadline of a blocked thread's sleep is known now; does nothing to a thread that is not
  // blocked. Any CPU.
  static void ArmTimeout(Thread& thread, uint64_t deadline);

 private:
  friend class Thread;
  static void MakeReady(Thread& thread, ThreadState from);
  // Locks the scheduler of the thread's CPU, which may change until then.
  static Scheduler& LockHome(Thread& thread);
  void Enqueue(Thread& thread, bool front);
  void Dequeue(Thread& thread);
  void SetPriority(Thread& thread, uint32_t priority);
  // True if the thread has to wait for its next period.
  bool Throttle(Thread& thread);

  SpinLock lock_;
  uint32_t ready_ = 0;  // bit p: queue p is not empty
  List<Thread, ReadyTag> queue_[kPriorities];
  TimeoutQueue timeouts_;
  bool wanted_ = false;
  bool sliced_ = false;  // the running thread shares its priority and has a slice
  uint32_t running_priority_ = 0;
  uint64_t slice_end_ = 0;
  uint64_t switched_at_ = 0;  // when the running thread was switched to
  uint64_t programmed_ = ~uint64_t{0};
};

}  // namespace pyrene
