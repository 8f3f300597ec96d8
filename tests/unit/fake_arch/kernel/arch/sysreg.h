// SPDX-License-Identifier: Apache-2.0
//
// kernel/arch/sysreg.h for the host: its constants, and registers that are variables of the CPU
// which the calling host thread plays.
#pragma once

#include "tests/unit/fake_arch/machine.h"

// What is not a constant there reads real registers.
#define InterruptPending RealInterruptPending
#define Counter RealCounter
#include "../../../../../kernel/arch/sysreg.h"
#undef InterruptPending
#undef Counter
#undef PYRENE_READ_SYSREG
#undef PYRENE_WRITE_SYSREG

#define PYRENE_READ_SYSREG(name) (::pyrene::fake::Sysreg(::pyrene::fake::Register::name))
#define PYRENE_WRITE_SYSREG(name, value)                                     \
  static_cast<void>(::pyrene::fake::Sysreg(::pyrene::fake::Register::name) = \
                        static_cast<uint64_t>(value))

namespace pyrene::arch {

inline bool InterruptPending() { return fake::InterruptPending(); }
inline uint64_t Counter() { return fake::Counter(); }

}  // namespace pyrene::arch
