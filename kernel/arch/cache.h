// SPDX-License-Identifier: Apache-2.0
//
// Cache maintenance by address (DDI 0487, D4.4.8). Line sizes come from CTR_EL0.
#pragma once

#include <cstddef>

namespace pyrene::arch {

// Makes what was written with the MMU on visible to observers without caches (a CPU whose MMU is
// off): clean to PoC.
void CleanToPoc(const void* start, size_t bytes);
// Drops stale lines over memory that was written with the MMU off, before it is read with the MMU
// on.
void InvalidateToPoc(const void* start, size_t bytes);
// Makes written instructions visible to instruction fetches of all CPUs: clean to PoU, invalidate
// I, DSB, ISB.
void SyncInstructions(const void* start, size_t bytes);

}  // namespace pyrene::arch
