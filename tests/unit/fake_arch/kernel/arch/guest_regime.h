// SPDX-License-Identifier: Apache-2.0
//
// kernel/arch/guest_regime.h for the host.
#pragma once

#include <cstdint>

#include "kernel/abi/vcpu_state.h"
#include "kernel/arch/gic.h"

namespace pyrene::arch {

void EnterGuestRegime(const VcpuState::El1& el1, uint64_t vttbr);
void LeaveGuestRegime(VcpuState::El1& el1, uint64_t service_vttbr);
uint64_t TranslateInGuest(uint64_t address, bool write);
inline uint32_t ReadFirstListRegister() { return gic::ReadListRegister(0); }
inline void WriteFirstListRegister(uint32_t value) { gic::WriteListRegister(0, value); }

}  // namespace pyrene::arch
