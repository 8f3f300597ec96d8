// SPDX-License-Identifier: Apache-2.0
//
// Moving a guest's EL1 state between the hardware and its state page; see guest_regime.h for what
// is swapped at each exit.
#pragma once

#include <cstdint>

#include "kernel/abi/vcpu_state.h"

namespace pyrene::arch {

// What stays in the hardware between two runs. The service regime is in force: walks of the guest
// are disabled.
void SaveEl1(VcpuState::El1& el1);
void LoadEl1(const VcpuState::El1& el1);

// The virtual timer, which belongs to the loaded vCPU.
void SaveVirtualTimer(VcpuState::El1& el1);  // and turns it off
void LoadVirtualTimer(const VcpuState::El1& el1);
// The timer's interrupt was taken: IMASK silences it until the guest writes CNTV_CTL_EL0.
void MaskVirtualTimer();
// When it fires, in CNTPCT ticks; ~0 if it is off or masked. For the loaded vCPU.
uint64_t VirtualTimerDeadline();

// PAR_EL1 (DDI 0487, D13.2.105): F and S, a walk of stage 1 failed in stage 2.
inline constexpr uint64_t kParStage2Fault = 1u << 0 | 1u << 9;

// TranslateInGuest (guest_regime.h) for consecutive pages, in the service regime: changes to the
// guest's and back. `vttbr` is the guest's, `service_vttbr` is restored.
void TranslateForGuest(const VcpuState::El1& el1, uint64_t vttbr, uint64_t service_vttbr,
                       uint64_t address, bool write, uint64_t* results, unsigned count);

}  // namespace pyrene::arch
