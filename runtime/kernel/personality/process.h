// SPDX-License-Identifier: Apache-2.0
//
// What the personality knows about its process, in one place: heap, threads, futexes, randomness,
// wall clock.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/kernel/personality/futex_table.h"
#include "runtime/kernel/personality/page_allocator.h"
#include "runtime/kernel/personality/random.h"
#include "runtime/kernel/personality/thread_control.h"
#include "runtime/kernel/personality/thread_lock.h"
#include "runtime/log_ring.h"

namespace pyrene::personality {

class Process {
 public:
  constexpr Process() : futexes(*this) {}

  // Platform of the futex table and of the lock, by the threads' notifications.
  void Lock(unsigned self) { lock_.Lock(sleeper_, self); }
  void Unlock() { lock_.Unlock(sleeper_); }
  bool Sleep(unsigned self, uint64_t deadline);
  void Wake(unsigned thread);

  // A second lock: a slow log sink must not hold up memory and futexes. Never taken together with
  // the first.
  void LockLog(unsigned self) { log_lock_.Lock(sleeper_, self); }
  void UnlockLog() { log_lock_.Unlock(sleeper_); }

  // Guarded by LockLog.
  runtime::LogWriter log;
  CapIndex log_signal = kNullCap;

  // Guarded by Lock.
  PageAllocator pages;
  RandomGenerator random;
  ThreadControl* threads[kMaxThreads] = {};  // an entry, once set, stays

  FutexTable<Process> futexes;
  std::atomic<int64_t> realtime_offset_ns = 0;

 private:
  struct LockSleeper {
    void Sleep(unsigned self);
    void Wake(unsigned thread);
  };
  ThreadLock lock_;
  ThreadLock log_lock_;
  LockSleeper sleeper_;
};

Process& TheProcess();

// Holds the process's lock in a scope.
class ProcessLock {
 public:
  explicit ProcessLock(const ThreadControl& self) { TheProcess().Lock(self.number); }
  ~ProcessLock() { TheProcess().Unlock(); }
  ProcessLock(const ProcessLock&) = delete;
  ProcessLock& operator=(const ProcessLock&) = delete;
};

}  // namespace pyrene::personality
