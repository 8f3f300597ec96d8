// SPDX-License-Identifier: Apache-2.0
//
// __HYPERVISOR_vm_assist: x0 = enable or disable, x1 = which. Arm has one: the update flag in the
// runstate area.
#include "services/vmm/hypercall.h"

namespace pyrene::vmm {

Outcome VmAssist(Vcpu& vcpu) {
  constexpr uint64_t kEnable = 0;
  constexpr uint64_t kDisable = 1;
  constexpr uint64_t kRunstateUpdateFlag = 5;
  const uint64_t command = vcpu.state->x[0];
  if (command != kEnable && command != kDisable) return -xen::kEnosys;
  if (vcpu.state->x[1] != kRunstateUpdateFlag) return -xen::kEinval;
  vcpu.domain->runstate_update_flag().store(command == kEnable, std::memory_order_relaxed);
  return 0;
}

}  // namespace pyrene::vmm
