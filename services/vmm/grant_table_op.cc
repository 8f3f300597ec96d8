// SPDX-License-Identifier: Apache-2.0
//
// __HYPERVISOR_grant_table_op (ABI 4): x0 = operation, x1 = array, x2 = number of elements. The
// call answers 0 even if elements failed: each has a status of its own.
#include "services/vmm/hypercall.h"
#include "services/vmm/translator.h"

namespace pyrene::vmm {
namespace {

// Bounded parts: the guest's registers keep where to go on.
template <typename T, typename Act>
Outcome ForEachElement(Vcpu& vcpu, Act act) {
  VcpuState& state = *vcpu.state;
  const uint64_t operation = state.x[0];
  const uint64_t count = static_cast<uint32_t>(state.x[2]);
  const uint64_t now = count < kElementsPerExit ? count : kElementsPerExit;
  for (uint64_t i = 0; i < now; ++i) {
    T element;
    const uint64_t va = state.x[1] + i * sizeof(T);
    if (!CopyFromGuest(vcpu, va, &element, sizeof(T))) return -xen::kEfault;
    act(&element);
    if (!CopyToGuest(vcpu, va, &element, sizeof(T))) return -xen::kEfault;
  }
  if (now == count) return 0;
  state.x[1] += now * sizeof(T);
  state.x[2] = count - now;
  return Again(vcpu, operation);
}

Outcome QuerySize(Vcpu& vcpu) {
  if (static_cast<uint32_t>(vcpu.state->x[2]) != 1) return -xen::kEinval;
  xen::GrantQuerySize query;
  if (!ReadArgument(vcpu, &query)) return -xen::kEfault;
  const bool self = vcpu.domain->IsSelf(query.dom);
  query.status = self ? xen::kGrantOk : xen::kGrantBadDomain;
  query.nr_frames = self ? vcpu.domain->grants().frames() : 0;
  query.max_nr_frames = self ? vcpu.domain->grants().max_frames() : 0;
  return WriteArgument(vcpu, query) ? 0 : -xen::kEfault;
}

Outcome SetVersion(Vcpu& vcpu) {
  uint32_t version = 0;
  if (!ReadArgument(vcpu, &version)) return -xen::kEfault;
  if (version == 1) return 0;
  return version == 2 ? -xen::kEnosys : -xen::kEinval;
}

Outcome GetVersion(Vcpu& vcpu) {
  xen::GrantVersion version;
  if (!ReadArgument(vcpu, &version)) return -xen::kEfault;
  if (!vcpu.domain->IsSelf(version.dom)) return NotSelf(version.dom);
  version.version = 1;
  return WriteArgument(vcpu, version) ? 0 : -xen::kEfault;
}

}  // namespace

Outcome GrantTableOperation(Vcpu& vcpu) {
  if (static_cast<int32_t>(vcpu.state->x[2]) < 0) return -xen::kEinval;
  GrantTable& grants = vcpu.domain->grants();
  switch (vcpu.state->x[0]) {
    case xen::kGrantMap:
      return ForEachElement<xen::GrantMap>(vcpu, [&](auto* op) { grants.Map(op); });
    case xen::kGrantUnmap:
      return ForEachElement<xen::GrantUnmap>(vcpu, [&](auto* op) { grants.Unmap(op); });
    case xen::kGrantCopy:
      return ForEachElement<xen::GrantCopy>(vcpu, [&](auto* op) { grants.Copy(op); });
    case xen::kGrantQuerySize:
      return QuerySize(vcpu);
    case xen::kGrantSetVersion:
      return SetVersion(vcpu);
    case xen::kGrantGetVersion:
      return GetVersion(vcpu);
    default:
      return -xen::kEnosys;
  }
}

}  // namespace pyrene::vmm
