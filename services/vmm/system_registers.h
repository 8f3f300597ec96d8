// SPDX-License-Identifier: Apache-2.0
//
// Trapped MRS and MSR instructions (ABI 9.4): ID registers, debug and PMU registers, ACTLR.
// Anything else is undefined to the guest. By the vCPU's own thread.
#pragma once

#include "services/vmm/action.h"
#include "services/vmm/vcpu.h"

namespace pyrene::vmm {

Action HandleSystemRegister(Vcpu& vcpu);

}  // namespace pyrene::vmm
