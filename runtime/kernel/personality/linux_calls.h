// SPDX-License-Identifier: Apache-2.0
//
// The Linux calls that the personality answers. Arguments and answers are Linux's: a value, or an
// error code negated. Pointers are the process's own; a wrong one faults inside the upcall and so
// stops the thread, as a wild store of its own would.
#pragma once

#include <cstdint>

#include "kernel/abi/upcall.h"
#include "runtime/kernel/personality/linux_abi.h"
#include "runtime/kernel/personality/thread_control.h"

namespace pyrene::personality {

// Finds the call by x8 and answers what belongs into x0.
int64_t DispatchLinuxCall(ThreadControl& self, UpcallFrame& frame, const UpcallInfo& info);

// Files: descriptors 1 and 2 are the log, there is nothing else.
int64_t Write(const ThreadControl& self, uint64_t fd, const void* bytes, uint64_t n);
int64_t Writev(const ThreadControl& self, uint64_t fd, const linux_abi::IoVector* vector,
               uint64_t count);
int64_t Fstat(uint64_t fd, linux_abi::Stat* stat);
int64_t Newfstatat(uint64_t fd, const char* path, linux_abi::Stat* stat, uint64_t flags);

// Memory
int64_t Brk(const ThreadControl& self, uint64_t address);
int64_t Mmap(const ThreadControl& self, uint64_t bytes, uint64_t flags);
int64_t Munmap(const ThreadControl& self, uint64_t address, uint64_t bytes);
int64_t Madvise(const ThreadControl& self, uint64_t address, uint64_t bytes, uint64_t advice);
int64_t Prlimit64(uint64_t resource, const uint64_t* fresh, uint64_t* old);
int64_t Getrandom(const ThreadControl& self, void* bytes, uint64_t n);

// Time
int64_t ClockGettime(const ThreadControl& self, uint64_t clock, linux_abi::Timespec* time);
int64_t Gettimeofday(linux_abi::Timeval* time);
int64_t ClockGetres(linux_abi::Timespec* time);
int64_t ClockNanosleep(ThreadControl& self, uint64_t clock, uint64_t flags,
                       const linux_abi::Timespec* time);
int64_t RealtimeOffset();
// The counter value at which `time` is reached; false if it is not a valid time.
bool DeadlineOf(const linux_abi::Timespec& time, bool relative, bool realtime, uint64_t& ticks);

// Threads
int64_t Clone(ThreadControl& self, const UpcallFrame& frame, const UpcallInfo& info);
void ExitThread(ThreadControl& self, UpcallFrame& frame);
[[noreturn]] void ExitProcess(const ThreadControl& self, uint64_t status);
int64_t Futex(ThreadControl& self, const UpcallFrame& frame);
// The main thread gets its notification when it first needs one. False when the domain's quota is
// used up.
bool EnsureNotification(ThreadControl& self);

}  // namespace pyrene::personality
