// SPDX-License-Identifier: Apache-2.0
//
// Exceptions that the VMM makes a guest take at EL1 (Arm ARM D1.10): as the hardware would, with
// the EL1 registers fetched and changed through Host::Sync. By the vCPU's own thread.
#pragma once

#include <cstdint>

#include "services/vmm/vcpu.h"

namespace pyrene::vmm {

// Undefined instruction (EC 0). `pc`: of the instruction.
void InjectUndefined(Vcpu& vcpu, uint64_t pc);
// Synchronous external abort on the access that the last exit reports.
void InjectDataAbort(Vcpu& vcpu);
void InjectInstructionAbort(Vcpu& vcpu);

}  // namespace pyrene::vmm
