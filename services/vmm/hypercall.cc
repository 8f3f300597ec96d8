// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/hypercall.h"

namespace pyrene::vmm {
namespace {

Outcome NotImplemented(Vcpu&) { return -xen::kEnosys; }
Outcome NotPermitted(Vcpu&) { return -xen::kEperm; }

struct Table {
  HypercallHandler handler[xen::kHypercalls];
};

constexpr Table MakeTable() {
  Table table = {};
  for (HypercallHandler& handler : table.handler) handler = NotImplemented;
  table.handler[xen::kPlatformOp] = NotPermitted;
  table.handler[xen::kSysctl] = NotPermitted;
  table.handler[xen::kDomctl] = NotPermitted;
  table.handler[xen::kDmOp] = NotPermitted;
  table.handler[xen::kMemoryOp] = MemoryOperation;
  table.handler[xen::kXenVersion] = XenVersion;
  table.handler[xen::kConsoleIo] = ConsoleIo;
  table.handler[xen::kGrantTableOp] = GrantTableOperation;
  table.handler[xen::kVmAssist] = VmAssist;
  table.handler[xen::kVcpuOp] = VcpuOperation;
  table.handler[xen::kSchedOp] = SchedOperation;
  table.handler[xen::kEventChannelOp] = EventChannelOperation;
  table.handler[xen::kHvmOp] = HvmOperation;
  return table;
}

constexpr Table kTable = MakeTable();

}  // namespace

Action Hypercall(Vcpu& vcpu) {
  const uint64_t number = vcpu.state->x[16];
  const HypercallHandler handler =
      number < xen::kHypercalls ? kTable.handler[number] : NotImplemented;
  const Outcome outcome = handler(vcpu);
  vcpu.state->x[0] = static_cast<uint64_t>(outcome.value);
  return Prepare(vcpu, outcome.action);
}

}  // namespace pyrene::vmm
