// SPDX-License-Identifier: Apache-2.0
//
// The runstate area (ABI 2.2, 2.5): how long a vCPU ran, was ready without running ("stolen"), was
// blocked and was off.
//
// The kernel counts the CPU time of the vCPU's thread. What else passed between two looks was spent
// blocked if the vCPU had gone to sleep in between, else it was stolen. The looks are when a vCPU
// goes to sleep, at its first exit after it, and at exits that are rare anyway (kick, timer). A
// vCPU without a registered area costs nothing. All by the vCPU's own thread.
#pragma once

#include "services/vmm/vcpu.h"

namespace pyrene::vmm {

// The vCPU came on.
void StartAccounting(Vcpu& vcpu);
// Books what passed since the last look as `rest` (blocked or runnable, apart from running), and
// writes the area with `state`.
void UpdateRunstate(Vcpu& vcpu, xen::Runstate rest, xen::Runstate state);

inline bool HasRunstateArea(const Vcpu& vcpu) {
  return vcpu.runstate_first.load(std::memory_order_relaxed) != 0;
}

// Before the vCPU sleeps; after it slept.
inline void BeginBlock(Vcpu& vcpu) {
  vcpu.blocked = true;
  vcpu.shown_blocked.store(true, std::memory_order_relaxed);
  if (HasRunstateArea(vcpu)) UpdateRunstate(vcpu, xen::kRunstateRunnable, xen::kRunstateBlocked);
}
inline void EndBlock(Vcpu& vcpu) {
  vcpu.blocked = false;
  vcpu.shown_blocked.store(false, std::memory_order_relaxed);
  if (HasRunstateArea(vcpu)) UpdateRunstate(vcpu, xen::kRunstateBlocked, xen::kRunstateRunning);
}

}  // namespace pyrene::vmm
