// SPDX-License-Identifier: Apache-2.0
//
// What is known across the guest's lives: a record in RAM, which a restart keeps, and what the
// hypervisor's console is told.
#pragma once

#include <cstdint>

namespace pyrene::guest::hostile {

struct Progress {
  uint64_t seed = 1;    // of this life
  uint64_t target = 0;  // operations to do in all
  uint64_t done = 0;    // of all lives before
  uint64_t lives = 0;
};

// Of the life before, with the next seed; or, in the first life, from the words seed=N and ops=N of
// the command line in the device tree. Once in each life, before any attack.
Progress BeginLife(const char* device_tree);

// Of this life, any vCPU.
uint64_t Seed();
// Whether one more operation is to be done. The caller does it, and counts it.
bool TakeOperation();
void CountOperation(uint32_t vcpu);
// By this vCPU in this life, and by all in all lives.
uint64_t Counted(uint32_t vcpu);
uint64_t Done();

// "HOSTILE goes on: seed S lives L ops N"
void Report(const Progress& progress);
// "HOSTILE end ...", and the guest sleeps.
[[noreturn]] void Finish(const Progress& progress);

}  // namespace pyrene::guest::hostile
