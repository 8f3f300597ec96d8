// SPDX-License-Identifier: Apache-2.0
//
// System registers that Linux lets programs read and the kernel traps. One matters: CNTVCT_EL0,
// which Abseil's cycle clock reads, belongs to the vCPU that was last on this CPU; a service gets
// CNTPCT_EL0 instead, which counts the same ticks.
#pragma once

#include "kernel/abi/upcall.h"
#include "runtime/kernel/personality/thread_control.h"

namespace pyrene::personality {

// True if the trapped instruction was such a read: its register has the value now, and the caller
// moves on by one instruction.
bool EmulateRead(const UpcallInfo& info, UpcallFrame& frame);

}  // namespace pyrene::personality
