// SPDX-License-Identifier: Apache-2.0
//
// The measuring root service: its memory, and its lines "BENCH name value" as of the measuring
// guest, with the physical counter: under QEMU's -icount shift=0 a nanosecond is an instruction.
#pragma once

#include <cstdint>

#include "kernel/abi/capability.h"
#include "kernel/abi/status.h"

namespace pyrene::bench {

constexpr uint64_t kRounds = 10000;
constexpr uint64_t kPage = 4096;

// Ends the measurement if it is an error; `what` failed.
void Check(Status status, const char* what);
// Free RAM, which stays taken.
CapIndex Ram(uint64_t pages);
// `ticks`: of kRounds rounds.
void Report(const char* name, uint64_t ticks);

// system_call_rows.cc: each system call that can be made alone or with its inverse.
void MeasureSystemCalls();
// upcall_rows.cc: upcalls, which the main thread has for the personality.
void MeasureUpcalls();

}  // namespace pyrene::bench
