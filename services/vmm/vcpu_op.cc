// SPDX-License-Identifier: Apache-2.0
//
// __HYPERVISOR_vcpu_op: x0 = operation, x1 = vCPU, x2 = struct. Bringing vCPUs up and down is
// PSCI's.
#include "services/vmm/hypercall.h"
#include "services/vmm/runstate.h"
#include "services/vmm/translator.h"

namespace pyrene::vmm {
namespace {

Outcome RegisterInfo(Vcpu& current, Vcpu& target) {
  xen::RegisterVcpuInfo info;
  if (!CopyFromGuest(current, current.state->x[2], &info, sizeof(info))) return -xen::kEfault;
  if (info.offset > xen::kPageSize - sizeof(xen::VcpuInfo) || info.offset % 8 != 0)
    return -xen::kEnxio;
  Domain& domain = *current.domain;
  std::byte* page = domain.memory().RamPage(info.gfn);
  if (page == nullptr) return -xen::kEinval;
  auto* record = reinterpret_cast<xen::VcpuInfo*>(page + info.offset);
  return domain.events().RegisterInfo(target, record, &current) ? 0 : -xen::kEbusy;
}

// The structure holds the area's virtual address. It is translated once: the guest keeps the
// mapping.
Outcome RegisterRunstate(Vcpu& current, Vcpu& target) {
  uint64_t va = 0;
  if (!CopyFromGuest(current, current.state->x[2], &va, sizeof(va))) return -xen::kEfault;
  if (va % 8 != 0) return -xen::kEinval;
  uint64_t first = 0;
  uint64_t second = 0;
  if (!TranslateToGpa(current, va, TranslateAccess::kWrite, &first)) return -xen::kEfault;
  const uint64_t room = xen::kPageSize - (va & (xen::kPageSize - 1));
  if (room < sizeof(xen::RunstateInfo) &&
      !TranslateToGpa(current, va + room, TranslateAccess::kWrite, &second)) {
    return -xen::kEfault;
  }
  Domain& domain = *current.domain;
  if (domain.memory().At<uint64_t>(first) == nullptr ||
      (second != 0 && domain.memory().At<uint64_t>(second) == nullptr)) {
    return -xen::kEfault;
  }
  target.runstate_second.store(second, std::memory_order_relaxed);
  target.runstate_first.store(first, std::memory_order_release);
  // Another vCPU's area is filled in by its own thread, at its next look.
  if (&target == &current) UpdateRunstate(target, xen::kRunstateRunning);
  return 0;
}

}  // namespace

Outcome VcpuOperation(Vcpu& vcpu) {
  const uint64_t operation = vcpu.state->x[0];
  Vcpu* target = vcpu.domain->FindVcpu(vcpu.state->x[1]);
  if (target == nullptr) return -xen::kEnoent;
  switch (operation) {
    case xen::kVcpuIsUp:
      return target->power.load() == Power::kOff ? 0 : 1;
    case xen::kRegisterVcpuInfo:
      return RegisterInfo(vcpu, *target);
    case xen::kRegisterRunstateArea:
      return RegisterRunstate(vcpu, *target);
    default:
      return -xen::kEnosys;
  }
}

}  // namespace pyrene::vmm
