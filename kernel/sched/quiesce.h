// SPDX-License-Identifier: Apache-2.0
//
// Waiting until no other CPU can hold a reference from a capability lookup, or a wake-up it has
// begun.
#pragma once

namespace pyrene {

// Returns once every other CPU has been outside the kernel (in user code or idle) since the call.
// Under the structure lock. Each CPU that is not idle gets an SGI; taking it means having left the
// kernel, where interrupts are masked. A CPU that waits for the structure lock gives up and
// restarts its system call when an interrupt is pending (StructureLock), so this ends.
void Quiesce();

}  // namespace pyrene
