// SPDX-License-Identifier: Apache-2.0
//
// The runstate area (ABI 2.2, 2.5): how long a vCPU ran, was ready without running ("stolen"), was
// blocked and was off.
//
// The kernel counts the CPU time of the vCPU's thread; asking for it is a system call. So the
// figures are brought up to date when a vCPU goes to sleep and at exits that are rare anyway (kick,
// timer). What the thread did not use of the time since then was spent blocked if the vCPU slept in
// between, else it was stolen. So time running is exact, and what is stolen from a vCPU that often
// sleeps shows as blocked. A vCPU without a registered area costs nothing. All by the vCPU's own
// thread.
#pragma once

#include "services/vmm/vcpu.h"

namespace pyrene::vmm {

// The vCPU came on.
void StartAccounting(Vcpu& vcpu);
// Books what passed since the last look, and writes the area with `state`.
void UpdateRunstate(Vcpu& vcpu, xen::Runstate state);
// Writes kRunstateRunning as the state, nothing else.
void ShowRunning(Vcpu& vcpu);

inline bool HasRunstateArea(const Vcpu& vcpu) {
  return vcpu.runstate_first.load(std::memory_order_relaxed) != 0;
}

// Before the vCPU sleeps; after it slept.
inline void BeginBlock(Vcpu& vcpu) {
  vcpu.blocked = true;
  vcpu.shown_blocked.store(true, std::memory_order_relaxed);
  if (!HasRunstateArea(vcpu)) return;
  UpdateRunstate(vcpu, xen::kRunstateBlocked);
  vcpu.account.slept = true;
}
inline void EndBlock(Vcpu& vcpu) {
  vcpu.blocked = false;
  vcpu.shown_blocked.store(false, std::memory_order_relaxed);
  if (HasRunstateArea(vcpu)) ShowRunning(vcpu);
}

}  // namespace pyrene::vmm
