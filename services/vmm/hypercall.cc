// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/hypercall.h"

namespace pyrene::vmm {
namespace {

template <Outcome (*kHandler)(Vcpu&)>
Action Finish(Vcpu& vcpu) {
  const Outcome outcome = kHandler(vcpu);
  return Answer(vcpu, outcome.value, outcome.action);
}

Action NotPermitted(Vcpu& vcpu) { return Answer(vcpu, -xen::kEperm); }

constexpr HypercallHandler HandlerOf(uint64_t number) {
  switch (number) {
    case xen::kXenVersion:
      return XenVersion;
    case xen::kEventChannelOp:
      return EventChannelOperation;
    case xen::kMemoryOp:
      return Finish<MemoryOperation>;
    case xen::kConsoleIo:
      return Finish<ConsoleIo>;
    case xen::kGrantTableOp:
      return Finish<GrantTableOperation>;
    case xen::kVmAssist:
      return Finish<VmAssist>;
    case xen::kVcpuOp:
      return Finish<VcpuOperation>;
    case xen::kSchedOp:
      return Finish<SchedOperation>;
    case xen::kHvmOp:
      return Finish<HvmOperation>;
    case xen::kPlatformOp:
    case xen::kSysctl:
    case xen::kDomctl:
    case xen::kDmOp:
      return NotPermitted;
    default:
      return UnknownHypercall;
  }
}

constexpr HypercallTable MakeTable() {
  HypercallTable table = {};
  for (uint64_t number = 0; number < xen::kHypercalls; ++number) {
    table.handler[number] = HandlerOf(number);
  }
  return table;
}

}  // namespace

constinit const HypercallTable kHypercallTable = MakeTable();

Action UnknownHypercall(Vcpu& vcpu) { return Answer(vcpu, -xen::kEnosys); }

}  // namespace pyrene::vmm
