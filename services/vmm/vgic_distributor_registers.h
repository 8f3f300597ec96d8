// SPDX-License-Identifier: Apache-2.0
//
// The register frame of the virtual GICv2 distributor (IHI 0048B 4.3, as ABI 9.1 narrows it).
// Called by the accessing vCPU's own thread; registers of word 0 are banked by that vCPU. Reserved
// registers read as zero and ignore writes.
#pragma once

#include <cstdint>

#include "services/vmm/vgic.h"

namespace pyrene::vmm {

// Accesses of a whole word, `offset` below 0x1000 and a multiple of 4.
uint32_t ReadDistributorWord(Vgic& vgic, Vcpu& vcpu, uint32_t offset);
void WriteDistributorWord(Vgic& vgic, Vcpu& vcpu, uint32_t offset, uint32_t value);

// Accesses of any size: 1, 2, 4 or 8 bytes, `offset` below 0x1000. The frame takes words
// everywhere, bytes in IPRIORITYR and ITARGETSR. Not accepted (false): the guest gets an external
// abort.
struct DistributorValue {
  uint32_t value;
  bool accepted;
};
DistributorValue ReadDistributor(Vgic& vgic, Vcpu& vcpu, uint32_t offset, uint32_t bytes);
bool WriteDistributor(Vgic& vgic, Vcpu& vcpu, uint32_t offset, uint32_t bytes, uint32_t value);

}  // namespace pyrene::vmm
