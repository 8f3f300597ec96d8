// SPDX-License-Identifier: Apache-2.0
//
// Hypercalls: HVC #0xEA1, number in x16, arguments in x0..x4, answer in x0 (ABI 2). A table of one
// function per family.
//
// A handler runs on the vCPU's own thread, with PC behind the HVC. It reads arguments from the
// state page and answers x0 and what the thread does next. Work that a guest can make long is done
// in bounded parts: the handler moves its arguments on and answers Again(), which steps PC back
// onto the HVC, so that kicks are heeded in between.
#pragma once

#include "services/vmm/action.h"
#include "services/vmm/domain.h"

namespace pyrene::vmm {

using HypercallHandler = Outcome (*)(Vcpu&);

Outcome XenVersion(Vcpu& vcpu);
Outcome ConsoleIo(Vcpu& vcpu);
Outcome MemoryOperation(Vcpu& vcpu);
Outcome HvmOperation(Vcpu& vcpu);
Outcome SchedOperation(Vcpu& vcpu);
Outcome VcpuOperation(Vcpu& vcpu);
Outcome EventChannelOperation(Vcpu& vcpu);
Outcome GrantTableOperation(Vcpu& vcpu);
Outcome VmAssist(Vcpu& vcpu);

// Elements of an array argument that one exit handles at most.
inline constexpr uint64_t kElementsPerExit = 64;

// The hypercall is executed once more, with this x0.
inline Outcome Again(Vcpu& vcpu, uint64_t x0) {
  vcpu.state->pc -= 4;
  return static_cast<int64_t>(x0);
}

// A domid argument that is not the guest itself: such a domain is out of its reach.
inline int64_t NotSelf(uint16_t domid) {
  return domid < xen::kFirstReservedDomid ? -xen::kEperm : -xen::kEsrch;
}

// Looks the number up, runs the handler and sets x0.
Action Hypercall(Vcpu& vcpu);

}  // namespace pyrene::vmm
