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

// The usual ones answer by themselves, so that their dispatch is a jump.
Action XenVersion(Vcpu& vcpu);
Action EventChannelOperation(Vcpu& vcpu);

// The others leave that to the dispatch.
Outcome ConsoleIo(Vcpu& vcpu);
Outcome MemoryOperation(Vcpu& vcpu);
Outcome HvmOperation(Vcpu& vcpu);
Outcome SchedOperation(Vcpu& vcpu);
Outcome VcpuOperation(Vcpu& vcpu);
Outcome GrantTableOperation(Vcpu& vcpu);
Outcome VmAssist(Vcpu& vcpu);

// Elements of an array argument that one exit handles at most.
inline constexpr uint64_t kElementsPerExit = 64;

// Ends a hypercall.
inline Action Answer(Vcpu& vcpu, int64_t value, Action action = Action::kRun) {
  vcpu.state->x[0] = static_cast<uint64_t>(value);
  return Prepare(vcpu, action);
}

// The hypercall is executed once more, with this x0.
inline Outcome Again(Vcpu& vcpu, uint64_t x0) {
  vcpu.state->pc -= 4;
  return static_cast<int64_t>(x0);
}

// A domid argument that is not the guest itself: such a domain is out of its reach.
inline int64_t NotSelf(uint16_t domid) {
  return domid < xen::kFirstReservedDomid ? -xen::kEperm : -xen::kEsrch;
}

// By number.
using HypercallHandler = Action (*)(Vcpu&);
struct HypercallTable {
  HypercallHandler handler[xen::kHypercalls];
};
extern const HypercallTable kHypercallTable;
Action UnknownHypercall(Vcpu& vcpu);

// Looks the number up, runs the handler and sets x0.
inline Action Hypercall(Vcpu& vcpu) {
  const uint64_t number = vcpu.state->x[16];
  return number < xen::kHypercalls ? kHypercallTable.handler[number](vcpu) : UnknownHypercall(vcpu);
}

}  // namespace pyrene::vmm
