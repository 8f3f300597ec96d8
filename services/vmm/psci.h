// SPDX-License-Identifier: Apache-2.0
//
// Firmware calls of the guest: PSCI 1.1 (DEN 0022) and the SMC Calling Convention (DEN 0028), by
// HVC #0 or SMC #0. Function in w0, arguments in x1..x3, answer in x0 (ABI 9.3). By the vCPU's own
// thread, with PC behind the instruction.
#pragma once

#include "services/vmm/action.h"
#include "services/vmm/vcpu.h"

namespace pyrene::vmm {

Action FirmwareCall(Vcpu& vcpu);

}  // namespace pyrene::vmm
