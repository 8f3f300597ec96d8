// SPDX-License-Identifier: Apache-2.0
//
// The general registers of what an exception interrupted. Vectors store x0..x30, PC and PSTATE
// here: into a thread's Frame, or straight into the state page of a Vcpu, which begins alike.
// SP_EL2 points at it while EL0 or EL1 runs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel/abi/vcpu_state.h"

namespace pyrene {

struct Frame {
  uint64_t x[31];
  uint64_t pc;
  uint64_t pstate;
  uint64_t reserved;  // keeps SP_EL2 16-byte aligned for whatever follows
};

// Known to arch/vectors.S.
static_assert(offsetof(Frame, pc) == 0xf8 && offsetof(VcpuState, pc) == 0xf8);
static_assert(offsetof(Frame, pstate) == 0x100 && offsetof(VcpuState, pstate) == 0x100);

// What to run with: a Frame's address; kReturning is added if it is that of a thread that returns
// from vcpu_run, of which only x0, x1 and x18..x30 are restored. One word, so that it comes in a
// register.
using Resumption = uintptr_t;
inline constexpr Resumption kReturning = 1;  // known to arch/vectors.S
inline Resumption General(Frame* frame) { return reinterpret_cast<uintptr_t>(frame); }
inline Resumption Returning(Frame* frame) {
  return reinterpret_cast<uintptr_t>(frame) + kReturning;
}

}  // namespace pyrene
