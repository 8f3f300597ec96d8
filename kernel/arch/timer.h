// SPDX-License-Identifier: Apache-2.0
//
// The generic timer: the counter's frequency and the hypervisor timer (CNTHP, PPI 26), which is the
// kernel's own.
#pragma once

#include <cstdint>

namespace pyrene::arch {

uint64_t CounterFrequency();  // Hz
uint64_t TicksOf(uint64_t microseconds);
// Fires at the absolute CNTPCT value; ~0 turns it off.
void SetHypervisorTimer(uint64_t deadline);

}  // namespace pyrene::arch
