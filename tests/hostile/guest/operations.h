// SPDX-License-Identifier: Apache-2.0
//
// What the hostile guest does: one function for each way into the hypervisor. Each does one
// operation.
#pragma once

#include "tests/hostile/guest/random.h"

namespace pyrene::guest::hostile {

// calls.cc
void AnyHypercall(Random& random);  // any number, any argument
void AnyEventChannelOp(Random& random);
void AnyGrantTableOp(Random& random);
void AnyMemoryOp(Random& random);
void AnySchedOp(Random& random);
void AnyHvmOp(Random& random);
void AnyVcpuOp(Random& random);
void AnyPsciCall(Random& random);  // by HVC or SMC
void FillScratch(Random& random);  // structures for pointers to point to; rings, too

// instructions.cc
void AnyAccess(Random& random);          // loads and stores of all kinds, anywhere
void AnySystemRegister(Random& random);  // MRS and MSR of any encoding but a few
void AnyMaintenance(Random& random);     // caches, TLB, address translation
void AnyWait(Random& random);            // WFI, WFE and the like
void AnyGarbage(Random& random);         // any words
void AnyTrap(Random& random);            // SMC, HVC, SVC, BRK, HLT with any immediate

}  // namespace pyrene::guest::hostile
