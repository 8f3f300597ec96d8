// SPDX-License-Identifier: Apache-2.0
//
// What a guest can try, each as instructions and registers that follow from the random numbers.
//
// Two things are spared, because a run would end without a next one: the guest's watchdog, which
// ends what does not come back, and a shutdown for suspension, after which a guest is kept.
#pragma once

#include "tests/hostile/guest/guarded.h"
#include "tests/hostile/guest/ledger.h"
#include "tests/hostile/guest/random.h"

namespace pyrene::hostile {

// Makes all 512 GiB that stage 2 translates reachable by their own addresses.
void MapEverything();

// The next operation. `trial` has random registers already.
void Prepare(Kind kind, Random& random, Trial& trial);

// An address for an argument: in the memory that operations play with, at its pages' edges, in
// devices, rings, the image, or nowhere.
uint64_t Pointer(Random& random);

// __HYPERVISOR_*: number and arguments, structures included.
void PrepareHypercall(Random& random, Trial& trial);

inline constexpr uint64_t kPlayground = 0x41000000;  // 16 MiB into memory
inline constexpr uint64_t kPlaygroundBytes = uint64_t{8} << 20;

}  // namespace pyrene::hostile
