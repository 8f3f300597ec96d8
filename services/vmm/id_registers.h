// SPDX-License-Identifier: Apache-2.0
//
// The ID registers that a guest reads (trapped by HCR_EL2.TID3): the machine's values less what the
// VMM does not provide (ABI 9.4).
//
// A service cannot read ID registers itself. HostIdRegisters starts from what a core of the given
// MIDR is known to have, without options a board may lack (the Pi 4's cores have no AES or SHA
// instructions); main may replace it by values from the kernel.
#pragma once

#include <cstdint>

namespace pyrene::vmm {

// Registers op0=3, op1=0, CRn=0, CRm=1..7, op2=0..7, at (CRm-1)*8 + op2. Unallocated ones read as
// zero.
struct IdRegisters {
  static constexpr unsigned kCount = 56;
  uint64_t value[kCount] = {};

  static constexpr unsigned Index(unsigned crm, unsigned op2) { return (crm - 1) * 8 + op2; }
};

IdRegisters HostIdRegisters(uint64_t midr);
// What the guest gets: EL2 and EL3 absent, AArch64 only at EL1, no GIC system registers, no PMU, no
// SVE, SME, MTE, RAS, AMU, SPE, trace, pointer authentication, LPA2; at most 40 bits of physical
// address.
IdRegisters GuestIdRegisters(const IdRegisters& host);

}  // namespace pyrene::vmm
