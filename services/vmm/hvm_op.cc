// SPDX-License-Identifier: Apache-2.0
//
// __HYPERVISOR_hvm_op (ABI 2.4): x0 = operation, x1 = struct. The parameters by which a guest finds
// its console and XenStore.
#include "services/vmm/hypercall.h"
#include "services/vmm/translator.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kSetParam = 0;
constexpr uint64_t kGetParam = 1;

// A PPI (type 2), level-triggered and active low (flag 2).
constexpr uint64_t kCallbackIrq = uint64_t{2} << 56 | uint64_t{2} << 8 | xen::kUpcallPpi;

// 0: such a parameter exists for the guest.
int64_t GetParam(Domain& domain, uint32_t index, uint64_t* value) {
  switch (index) {
    case xen::kParamCallbackIrq:
      *value = kCallbackIrq;
      return 0;
    case xen::kParamStorePfn:
      *value = xen::kXenstoreRing >> xen::kPageShift;
      return 0;
    case xen::kParamStoreEvtchn:
      *value = domain.xenstore_port();
      return 0;
    case xen::kParamConsolePfn:
      *value = xen::kConsoleRing >> xen::kPageShift;
      return 0;
    case xen::kParamConsoleEvtchn:
      *value = domain.console_port();
      return 0;
    case xen::kParamMonitorRing:
      return -xen::kEperm;
    default:
      return -xen::kEinval;
  }
}

}  // namespace

Outcome HvmOperation(Vcpu& vcpu) {
  const uint64_t operation = vcpu.state->x[0];
  if (operation != kSetParam && operation != kGetParam) return -xen::kEnosys;
  xen::HvmParam param{};
  if (!ReadArgument(vcpu, &param)) return -xen::kEfault;
  if (!vcpu.domain->IsSelf(param.domid)) return NotSelf(param.domid);
  uint64_t value = 0;
  // ReadArgument has filled it, word by word.
  // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage)
  const int64_t error = GetParam(*vcpu.domain, param.index, &value);
  if (operation == kSetParam) return error == 0 ? -xen::kEperm : error;  // all are the toolstack's
  if (error != 0) return error;
  param.value = value;
  return WriteArgument(vcpu, param) ? 0 : -xen::kEfault;
}

}  // namespace pyrene::vmm
