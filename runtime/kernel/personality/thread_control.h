// SPDX-License-Identifier: Apache-2.0
//
// One thread as the personality sees it. It lies at the bottom of the thread's upcall stack, which
// is aligned to its size, so that the upcall finds it from its own stack pointer; there is no TLS
// in the personality.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernel/abi/capability.h"

namespace pyrene::personality {

// Room for the deepest path through the personality (1.5 KiB), a log sink, and this structure.
inline constexpr size_t kUpcallStackBytes = 8192;

// The registers that entry.S stores on the upcall stack, and loads from there at its end.
struct UpcallFrame {
  uint64_t x[31];
  uint64_t reserved;
};
static_assert(sizeof(UpcallFrame) == 256);

// What a fresh thread begins with. Layout known to entry.S.
struct ThreadStart {
  uint64_t x[31];
  uint64_t sp;          // 0x0f8
  uint64_t pc;          // 0x100
  uint64_t tls;         // 0x108
  uint64_t upcall_top;  // 0x110
};
static_assert(offsetof(ThreadStart, sp) == 0xf8 && offsetof(ThreadStart, upcall_top) == 0x110);

struct ThreadControl {
  ThreadStart start;  // first: entry.S gets the address of the control
  unsigned number;    // index in the table of threads, also in ThreadLock and FutexTable
  CapIndex thread;    // also the Linux thread id
  CapIndex notification;
  uint32_t* clear_tid;  // zeroed and woken when the thread exits; may be null
  // An exited thread keeps its kernel objects and waits here for the next clone. Guarded by the
  // personality's lock.
  bool parked;
  std::atomic<bool> restarted;
};

// Bits of a thread's own notification.
namespace wake_bits {
inline constexpr uint64_t kFutex = 1;
inline constexpr uint64_t kLock = 2;
inline constexpr uint64_t kRestart = 4;
inline constexpr uint64_t kNever = 8;  // what a sleep waits for
}  // namespace wake_bits

inline ThreadControl& ControlOf(const UpcallFrame* frame) {
  return *reinterpret_cast<ThreadControl*>(reinterpret_cast<uintptr_t>(frame) &
                                           ~(kUpcallStackBytes - 1));
}

}  // namespace pyrene::personality
