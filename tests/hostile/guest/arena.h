// SPDX-License-Identifier: Apache-2.0
//
// Where instructions are made and executed. Whatever they do to the general registers, the stack
// pointer or by exceptions ends back here; so does what does not end, by the virtual timer. They
// must leave VBAR_EL1, SCTLR_EL1 and the translation registers alone (instructions.cc sees to it).
#pragma once

#include <cstdint>

#include "tests/hostile/guest/random.h"

namespace pyrene::guest::hostile {

inline constexpr unsigned kMostInstructions = 8;

// Executes `count` instructions with general registers of Number(). `watched`: they may not come
// to an end by themselves, so the timer's interrupt is made ready first.
void Execute(Random& random, const uint32_t* instructions, unsigned count, bool watched);

// The GIC and the virtual timer as they have to be for `watched`.
void StartWatch();
void StopWatch();

}  // namespace pyrene::guest::hostile
