// SPDX-License-Identifier: Apache-2.0
//
// Capabilities that travel with a port message. Under the structure lock.
#pragma once

#include <cstdint>

namespace pyrene {

class Thread;

// Four indices of 16 bits each, the first in bits 15:0; 0 ends the list. Copies what `from` names
// at `sources` to the free slots that `to` names at `slots`; stops at the first that cannot be
// copied. Returns how many came over.
uint64_t TransferCapabilities(Thread& from, uint64_t sources, Thread& to, uint64_t slots);

}  // namespace pyrene
