// SPDX-License-Identifier: Apache-2.0
//
// The firmware's power interface (DEN 0022), by SMC. Only where the device tree says so: on a
// machine without EL3 an SMC hangs or is undefined.
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"

namespace pyrene::arch::psci {

void SetAvailable();
bool Available();

// kNotSupported without firmware, or when it refuses.
Status CpuOn(uint64_t mpidr, uint64_t entry, uint64_t context);
Status SystemOff();
Status SystemReset();

}  // namespace pyrene::arch::psci
