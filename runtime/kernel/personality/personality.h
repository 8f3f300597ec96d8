// SPDX-License-Identifier: Apache-2.0
//
// What a service may tell the personality, and the hook that its output goes to.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel/abi/capability.h"

// Gets what the service writes to descriptors 1 and 2. The default writes the log ring, if there is
// one. It runs inside the upcall: compile a replacement with PYRENE_UPCALL_FLAGS
// (runtime/CMakeLists.txt), use no TLS and no C library, and touch no memory that can vanish; a
// fault there stops the thread for good. One thread at a time is in it.
extern "C" void personality_write(int fd, const void* bytes, size_t n);

namespace pyrene::personality {

// Calls of our own beside Linux's; numbers that Linux does not use.
inline constexpr uint64_t kCallStir = 0x10000;               // (bytes, n)
inline constexpr uint64_t kCallSetRealtimeOffset = 0x10001;  // (ns)
inline constexpr uint64_t kCallSetLog = 0x10002;             // (ring, bytes, signal)

// Mixes entropy into getrandom. Init does so with the device tree's seed; other services start with
// one of their own.
void StirRandom(const void* bytes, size_t n);

// Init only: sets the wall clock; other services read theirs from the start page.
void SetRealtimeOffset(int64_t ns);

// Init only: `bytes` of zeroed memory, at least a page, become its log ring, `signal` (or kNullCap)
// is signalled after writes. Other services find theirs in the start page.
void SetLog(void* ring, uint64_t bytes, CapIndex signal);

// The capability of the calling thread, for sys::ThreadSet.
CapIndex CurrentThread();

}  // namespace pyrene::personality
