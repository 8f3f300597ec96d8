// SPDX-License-Identifier: Apache-2.0
//
// Registers of one CPU that are set once. Called by that CPU.
#pragma once

#include <cstdint>

#include "kernel/sched/cpu.h"

namespace pyrene {

// Vectors, traps, the service regime; TPIDR_EL2 points at cpus[id]. The MMU may be off.
void SetUpCpu(uint32_t id);
// From here on FP is trapped until somebody owns the registers; the kernel itself uses none.
void ForbidFp(Cpu& cpu);

}  // namespace pyrene
