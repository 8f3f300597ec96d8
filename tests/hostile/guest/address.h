// SPDX-License-Identifier: Apache-2.0
//
// Numbers at the places where something may be wrong: addresses, frames, sizes.
#pragma once

#include <cstdint>

#include "tests/hostile/guest/random.h"

namespace pyrene::guest::hostile {

// Memory that operations may fill and lose. The image lies below it, the progress record above.
inline constexpr uint64_t kScratch = 0x42000000;
inline constexpr uint64_t kScratchBytes = 0x01000000;

// A guest-physical address, which is a virtual one too: in scratch memory, at or near devices,
// shared pages, holes, ends of memory. Never in the image: a guest without code attacks nobody.
uint64_t Address(Random& random);
// The same in pages.
inline uint64_t Frame(Random& random) { return Address(random) >> 12; }
// Any number: small, at a power of two, all ones, an address, or anything.
uint64_t Number(Random& random);

}  // namespace pyrene::guest::hostile
