// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/personality/linux_calls.h"

#include "runtime/kernel/personality/personality.h"
#include "runtime/kernel/personality/process.h"
#include "runtime/kernel/syscall.h"

namespace pyrene::personality {
namespace {

template <typename T>
T* Pointer(uint64_t value) {
  return reinterpret_cast<T*>(value);
}

constexpr uint64_t kSignalExit = 128;  // exit status of a signal, as a shell shows it

int64_t Stir(const ThreadControl& self, const void* bytes, uint64_t n) {
  ProcessLock lock(self);
  TheProcess().random.Stir(bytes, n);
  return 0;
}

void SetLog(const ThreadControl& self, void* ring, uint64_t bytes, CapIndex signal) {
  Process& process = TheProcess();
  process.LockLog(self.number);
  process.log.Attach(ring, bytes);
  process.log_signal = signal;
  process.UnlockLog();
}

}  // namespace

int64_t DispatchLinuxCall(ThreadControl& self, UpcallFrame& frame, const UpcallInfo& info) {
  const uint64_t* const x = frame.x;
  switch (x[8]) {
    case linux_abi::kIoctl:
      return -linux_abi::kENOTTY;
    case linux_abi::kWrite:
      return Write(self, x[0], Pointer<const void>(x[1]), x[2]);
    case linux_abi::kWritev:
      return Writev(self, x[0], Pointer<const linux_abi::IoVector>(x[1]), x[2]);
    case linux_abi::kReadlinkat:
      return -linux_abi::kENOENT;
    case linux_abi::kNewfstatat:
      return Newfstatat(x[0], Pointer<const char>(x[1]), Pointer<linux_abi::Stat>(x[2]), x[3]);
    case linux_abi::kFstat:
      return Fstat(x[0], Pointer<linux_abi::Stat>(x[1]));

    case linux_abi::kBrk:
      return Brk(self, x[0]);
    case linux_abi::kMmap:
      return Mmap(self, x[1], x[3]);
    case linux_abi::kMunmap:
      return Munmap(self, x[0], x[1]);
    case linux_abi::kMadvise:
      return Madvise(self, x[0], x[1], x[2]);
    case linux_abi::kPrlimit64:
      return Prlimit64(x[1], Pointer<const uint64_t>(x[2]), Pointer<uint64_t>(x[3]));
    case linux_abi::kGetrandom:
      return Getrandom(self, Pointer<void>(x[0]), x[1]);

    case linux_abi::kClockGettime:
      return ClockGettime(self, x[0], Pointer<linux_abi::Timespec>(x[1]));
    case linux_abi::kGettimeofday:  // libext2fs's bitmaps say when they were made
      return Gettimeofday(Pointer<linux_abi::Timeval>(x[0]));
    case linux_abi::kClockGetres:
      return ClockGetres(Pointer<linux_abi::Timespec>(x[1]));
    case linux_abi::kNanosleep:
      return ClockNanosleep(self, linux_abi::kMonotonic, 0,
                            Pointer<const linux_abi::Timespec>(x[0]));
    case linux_abi::kClockNanosleep:
      return ClockNanosleep(self, x[0], x[1], Pointer<const linux_abi::Timespec>(x[2]));

    case linux_abi::kFutex:
      return Futex(self, frame);
    case linux_abi::kClone:
      return Clone(self, frame, info);
    case linux_abi::kExit:
      ExitThread(self, frame);
      return 0;
    case linux_abi::kExitGroup:
      ExitProcess(self, x[0] & 0xff);
    case linux_abi::kTgkill:
      if (x[2] == 0) return 0;
      ExitProcess(self, kSignalExit + (x[2] & 0x7f));
    case linux_abi::kSetTidAddress:
      self.clear_tid = Pointer<uint32_t>(x[0]);
      return self.thread;
    case linux_abi::kGettid:
      return self.thread;
    case linux_abi::kGetpid:
      return kSelfThreadCap;
    case linux_abi::kSchedGetscheduler:  // absl::Mutex asks for both; the one real policy is the
                                         // kernel's
      return linux_abi::kSchedOther;
    case linux_abi::kSchedGetparam:
      *Pointer<uint32_t>(x[1]) = 0;
      return 0;
    case linux_abi::kSchedYield:
      sys::ThreadYield();
      return 0;

    // There are no signals, a thread does not die while others live on, and the heap has the rights
    // that it was mapped with.
    case linux_abi::kRtSigaction:
    case linux_abi::kRtSigprocmask:
    case linux_abi::kSetRobustList:
    case linux_abi::kMprotect:
      return 0;

    case kCallStir:
      return Stir(self, Pointer<const void>(x[0]), x[1]);
    case kCallSetLog:
      SetLog(self, Pointer<void>(x[0]), x[1], static_cast<CapIndex>(x[2]));
      return 0;
    case kCallSetRealtimeOffset:
      TheProcess().realtime_offset_ns.store(static_cast<int64_t>(x[0]), std::memory_order_relaxed);
      return 0;

    default:
      return -linux_abi::kENOSYS;
  }
}

}  // namespace pyrene::personality
