// SPDX-License-Identifier: Apache-2.0
//
// Upcalls: how a thread handles its own Linux system calls (`svc #0`) and its own faults.
//
// A thread registers an entry and a stack (kUpcallSet). On `svc #0` or a fault the kernel keeps PC,
// SP and PSTATE of the interrupted code, sets SP to that stack and PC to the entry; all other
// registers still hold the interrupted code's values. The upcall learns the facts by kUpcallInfo
// and returns by `svc #2`, which restores PC, SP and PSTATE and nothing else. ESR.EC says why: 0x15
// (SVC) is a Linux call, anything else a fault. A fault or a Linux call inside the upcall, or in a
// thread that registered none, stops the thread and signals the domain's supervisor.
#pragma once

#include <cstdint>

namespace pyrene {

struct UpcallInfo {
  uint64_t pc;  // of the instruction to run next: the faulting one, or the one behind `svc #0`
  uint64_t sp;
  uint64_t pstate;
  uint64_t esr;
  uint64_t far;  // the address of a data or instruction abort
};

inline constexpr uint64_t kEsrClassShift = 26;
inline constexpr uint64_t kEsrClassSvc64 = 0x15;

}  // namespace pyrene
