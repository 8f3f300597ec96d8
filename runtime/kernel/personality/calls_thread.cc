// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/personality/entry.h"
#include "runtime/kernel/personality/linux_calls.h"
#include "runtime/kernel/personality/process.h"
#include "runtime/kernel/syscall.h"

namespace pyrene::personality {
namespace {

constexpr uint64_t kRequiredFlags = linux_abi::kCloneVm | linux_abi::kCloneThread;

void SetUp(ThreadControl& child, const UpcallFrame& frame, const UpcallInfo& info) {
  const uint64_t flags = frame.x[0];
  for (int i = 0; i < 31; ++i) child.start.x[i] = frame.x[i];
  child.start.x[0] = 0;
  child.start.sp = frame.x[1];
  child.start.pc = info.pc;
  child.start.tls = (flags & linux_abi::kCloneSetTls) != 0 ? frame.x[3] : 0;
  uint32_t* const child_tid = reinterpret_cast<uint32_t*>(frame.x[4]);
  child.clear_tid = (flags & linux_abi::kCloneChildClearTid) != 0 ? child_tid : nullptr;
  if ((flags & linux_abi::kCloneChildSetTid) != 0) *child_tid = child.thread;
  if ((flags & linux_abi::kCloneParentSetTid) != 0)
    *reinterpret_cast<uint32_t*>(frame.x[2]) = child.thread;
}

// An exited thread that waits for work, or nullptr.
ThreadControl* TakeParked(const ThreadControl& self) {
  ProcessLock lock(self);
  for (ThreadControl* thread : TheProcess().threads) {
    if (thread != nullptr && thread->parked) {
      thread->parked = false;
      return thread;
    }
  }
  return nullptr;
}

// A control with its upcall stack, at a number of its own, or nullptr.
ThreadControl* NewControl(const ThreadControl& self) {
  Process& process = TheProcess();
  ProcessLock lock(self);
  for (unsigned number = 0; number < kMaxThreads; ++number) {
    if (process.threads[number] != nullptr) continue;
    constexpr size_t kPages = kUpcallStackBytes / kPageBytes;
    const uintptr_t stack = process.pages.Allocate(kPages, kPages);
    if (stack == 0) return nullptr;
    ThreadControl* const control =
        reinterpret_cast<ThreadControl*>(stack);  // zeroed, as the page allocator promises
    control->number = number;
    control->start.upcall_top = stack + kUpcallStackBytes;
    process.threads[number] = control;
    return control;
  }
  return nullptr;
}

void DropControl(const ThreadControl& self, ThreadControl* control) {
  if (control->thread != kNullCap) {
    static_cast<void>(sys::CapDelete(control->thread));
    runtime::Caps().Free(control->thread);
  }
  if (control->notification != kNullCap) {
    static_cast<void>(sys::CapDelete(control->notification));
    runtime::Caps().Free(control->notification);
  }
  ProcessLock lock(self);
  TheProcess().threads[control->number] = nullptr;
  TheProcess().pages.Free(reinterpret_cast<uintptr_t>(control), kUpcallStackBytes / kPageBytes);
}

bool CreateNotification(ThreadControl& control) {
  const CapIndex index = runtime::Caps().Allocate();
  if (index == kNullCap) return false;
  if (sys::NotificationCreate(index) != Status::kOk) {
    runtime::Caps().Free(index);
    return false;
  }
  control.notification = index;
  return true;
}

bool CreateThread(ThreadControl& child, ThreadParameters parameters) {
  const CapIndex index = runtime::Caps().Allocate();
  if (index == kNullCap) return false;
  if (sys::ThreadCreate(index, kSelfDomainCap, reinterpret_cast<uintptr_t>(&pyrene_thread_start),
                        child.start.upcall_top, reinterpret_cast<uintptr_t>(&child),
                        parameters) != Status::kOk) {
    runtime::Caps().Free(index);
    return false;
  }
  child.thread = index;
  return true;
}

}  // namespace

bool EnsureNotification(ThreadControl& self) {
  return self.notification != kNullCap || CreateNotification(self);
}

int64_t Clone(ThreadControl& self, const UpcallFrame& frame, const UpcallInfo& info) {
  if ((frame.x[0] & kRequiredFlags) != kRequiredFlags) return -linux_abi::kENOSYS;
  // From the second thread on, the creator can find the lock taken and must be able to sleep.
  if (!EnsureNotification(self)) return -linux_abi::kEAGAIN;
  // The child begins with its creator's priority and CPU, also if it is a former thread that had
  // others.
  const sys::ThreadFacts mine = sys::ThreadInfo(self.thread);
  if (mine.status != Status::kOk) return -linux_abi::kEAGAIN;
  if (ThreadControl* const parked = TakeParked(self); parked != nullptr) {
    static_cast<void>(sys::ThreadSet(parked->thread, mine.parameters, 0, 0));
    SetUp(*parked, frame, info);
    const int64_t tid = parked->thread;
    parked->restarted.store(true, std::memory_order_release);
    static_cast<void>(sys::NotificationSignal(parked->notification, wake_bits::kRestart));
    return tid;
  }
  ThreadControl* const child = NewControl(self);
  if (child == nullptr) return -linux_abi::kEAGAIN;
  if (!CreateNotification(*child) || !CreateThread(*child, mine.parameters)) {
    DropControl(self, child);
    return -linux_abi::kEAGAIN;
  }
  SetUp(*child, frame, info);
  const int64_t tid = child->thread;
  if (sys::ThreadStart(child->thread) != Status::kOk) {
    DropControl(self, child);
    return -linux_abi::kEAGAIN;
  }
  return tid;
}

// The kernel thread is kept for the next clone: an ended one would look like the service's own end
// to its supervisor.
void ExitThread(ThreadControl& self, UpcallFrame& frame) {
  Process& process = TheProcess();
  if (!EnsureNotification(self))
    ExitProcess(self, 0);  // only a main thread without others lacks one
  uint32_t* const tid = self.clear_tid;
  self.clear_tid = nullptr;
  if (tid != nullptr) {
    auto* const word = reinterpret_cast<std::atomic<uint32_t>*>(tid);
    word->store(0, std::memory_order_release);
    process.futexes.Wake(self.number, word, 1, linux_abi::kFutexAnyBit);
  }
  {
    ProcessLock lock(self);
    self.restarted.store(false, std::memory_order_relaxed);
    self.parked = true;
  }
  while (!self.restarted.load(std::memory_order_acquire)) {
    static_cast<void>(sys::NotificationWait(self.notification, wake_bits::kRestart, kNoDeadline));
  }
  frame.x[19] = reinterpret_cast<uintptr_t>(&self);
  static_cast<void>(sys::UpcallMove(reinterpret_cast<uintptr_t>(&pyrene_thread_enter)));
}

void ExitProcess(const ThreadControl& self, uint64_t status) {
  for (const ThreadControl* thread : TheProcess().threads) {
    if (thread != nullptr && thread != &self) static_cast<void>(sys::ThreadStop(thread->thread));
  }
  sys::ThreadExit(status);
}

int64_t Futex(ThreadControl& self, const UpcallFrame& frame) {
  const uint64_t* const x = frame.x;
  const uint64_t command = x[1] & linux_abi::kFutexCommandMask;
  const bool with_bitset =
      command == linux_abi::kFutexWaitBitset || command == linux_abi::kFutexWakeBitset;
  const uint32_t bitset = with_bitset ? static_cast<uint32_t>(x[5]) : linux_abi::kFutexAnyBit;
  if (x[0] % sizeof(uint32_t) != 0 || bitset == 0) return -linux_abi::kEINVAL;
  auto* const word = reinterpret_cast<std::atomic<uint32_t>*>(x[0]);
  switch (command) {
    case linux_abi::kFutexWait:
    case linux_abi::kFutexWaitBitset: {
      uint64_t deadline = kNoDeadline;
      const auto* const time = reinterpret_cast<const linux_abi::Timespec*>(x[3]);
      const bool realtime = (x[1] & linux_abi::kFutexClockRealtime) != 0;
      if (time != nullptr && !DeadlineOf(*time, !with_bitset, realtime, deadline))
        return -linux_abi::kEINVAL;
      if (!EnsureNotification(self)) return -linux_abi::kENOMEM;
      switch (TheProcess().futexes.Wait(self.number, word, static_cast<uint32_t>(x[2]), bitset,
                                        deadline)) {
        case FutexResult::kWoken:
          return 0;
        case FutexResult::kValueChanged:
          return -linux_abi::kEAGAIN;
        case FutexResult::kTimedOut:
          return -linux_abi::kETIMEDOUT;
      }
      return -linux_abi::kEINVAL;
    }
    case linux_abi::kFutexWake:
    case linux_abi::kFutexWakeBitset:
      return TheProcess().futexes.Wake(self.number, word, static_cast<uint32_t>(x[2]), bitset);
    default:
      return -linux_abi::kENOSYS;
  }
}

}  // namespace pyrene::personality
