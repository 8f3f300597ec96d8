// SPDX-License-Identifier: Apache-2.0
//
// Data aborts at stage 2: the guest touched an address that nothing is mapped at. The GIC
// distributor is emulated; anything else is an external abort, as on hardware. By the vCPU's own
// thread.
#pragma once

#include "services/vmm/action.h"
#include "services/vmm/vcpu.h"

namespace pyrene::vmm {

Action HandleDataAbort(Vcpu& vcpu);

}  // namespace pyrene::vmm
