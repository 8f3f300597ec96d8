// SPDX-License-Identifier: Apache-2.0
//
// The runstate area (ABI 2.2, 2.5): how long a vCPU ran, was ready without running ("stolen"), was
// blocked and was off.
//
// The kernel counts the CPU time of the vCPU's thread; asking for it is a system call. So the
// figures are brought up to date when a vCPU goes to sleep and at exits that are rare anyway (kick,
// timer): what the thread did not use of the time since then was stolen. The first exit after a
// sleep books the time up to it as blocked. A vCPU that never sleeps nor is kicked shows what was
// stolen from it late. One without a registered area costs nothing. All by the vCPU's own thread.
#pragma once

#include "services/vmm/vcpu.h"

namespace pyrene::vmm {

// The vCPU came on.
void StartAccounting(Vcpu& vcpu);
// Books what passed since the last look, and writes the area with `state`.
void UpdateRunstate(Vcpu& vcpu, xen::Runstate state);
// After a sleep: what passed since the last look was spent blocked.
void BookBlocked(Vcpu& vcpu);

inline bool HasRunstateArea(const Vcpu& vcpu) {
  return vcpu.runstate_first.load(std::memory_order_relaxed) != 0;
}

// Before the vCPU sleeps; after it slept.
inline void BeginBlock(Vcpu& vcpu) {
  vcpu.blocked = true;
  vcpu.shown_blocked.store(true, std::memory_order_relaxed);
  if (HasRunstateArea(vcpu)) UpdateRunstate(vcpu, xen::kRunstateBlocked);
}
inline void EndBlock(Vcpu& vcpu) {
  vcpu.blocked = false;
  vcpu.shown_blocked.store(false, std::memory_order_relaxed);
  if (HasRunstateArea(vcpu)) BookBlocked(vcpu);
}

}  // namespace pyrene::vmm
