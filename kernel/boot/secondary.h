// SPDX-License-Identifier: Apache-2.0
//
// Bringing up the other CPUs, one after the other.
#pragma once

#include <cstdint>

#include "kernel/boot/machine.h"

namespace pyrene {

// What SecondaryEntry in head.S loads, MMU off. Known there by offset.
struct SecondaryRecord {
  uint64_t mair, tcr, ttbr0, sctlr;
  uint64_t stack;
  void (*entry)();
};

// Returns how many CPUs run, this one included.
uint32_t StartSecondaries(const Machine& machine);
// Lets them take threads. From here on they are in use.
void ReleaseSecondaries();

}  // namespace pyrene
