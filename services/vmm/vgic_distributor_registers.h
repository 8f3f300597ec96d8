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

namespace distributor {
inline constexpr uint32_t kCtlr = 0x000;
inline constexpr uint32_t kTyper = 0x004;
inline constexpr uint32_t kIsenabler0 = 0x100;
inline constexpr uint32_t kSgir = 0xf00;
// SGIR: list filter in 25:24, targets in 23:16, number in 3:0.
inline constexpr uint32_t kSgiFilterShift = 24;
inline constexpr uint32_t kSgiTargetShift = 16;
inline constexpr uint32_t kSgiToSelf = 2;
}  // namespace distributor

// The same for the accesses that guests make often, in few instructions. False: not one of these,
// nothing was done.
inline bool TryReadDistributorWord(const Vgic& vgic, const Vcpu& vcpu, uint32_t offset,
                                   uint32_t* value) {
  if (offset == distributor::kTyper) {
    *value = vgic.typer();
    return true;
  }
  if (offset == distributor::kIsenabler0) {
    *value = vcpu.gic.enabled;
    return true;
  }
  return false;
}
inline bool TryWriteDistributorWord(Vgic& vgic, Vcpu& vcpu, uint32_t offset, uint32_t value) {
  if (offset == distributor::kSgir) {
    const uint32_t self = uint32_t{1} << vcpu.index << distributor::kSgiTargetShift;
    const uint32_t list_and_filter = value >> distributor::kSgiTargetShift
                                                  << distributor::kSgiTargetShift;
    if (list_and_filter != self && list_and_filter != distributor::kSgiToSelf
                                                          << distributor::kSgiFilterShift) {
      return false;
    }
    vgic.SendSgiToSelf(vcpu, value & 0xf);
    return true;
  }
  // Enabling what is enabled already.
  return offset == distributor::kIsenabler0 && (value & ~vcpu.gic.enabled) == 0;
}

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
