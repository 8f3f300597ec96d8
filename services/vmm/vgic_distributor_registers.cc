// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/vgic_distributor_registers.h"

namespace pyrene::vmm {
namespace {

// Blocks of 0x80 bytes.
enum Block : uint32_t {
  kControl = 0x000 >> 7,
  kGroup = 0x080 >> 7,
  kSetEnable = 0x100 >> 7,
  kClearEnable = 0x180 >> 7,
  kSetPending = 0x200 >> 7,
  kClearPending = 0x280 >> 7,
  kSetActive = 0x300 >> 7,
  kClearActive = 0x380 >> 7,
  kPriority = 0x400 >> 7,  // 0x400..0x7ff
  kTargets = 0x800 >> 7,   // 0x800..0xbff
  kConfig = 0xc00 >> 7,    // 0xc00..0xcff
  kSgi = 0xf00 >> 7,
  kIdentification = 0xf80 >> 7,
};

using distributor::kCtlr;
using distributor::kSgir;
using distributor::kTyper;
constexpr uint32_t kIidr = 0x008;
constexpr uint32_t kPeripheralId2 = 0xfe8;

constexpr uint32_t kImplementer = 0x43b;       // Arm, as Xen shows
constexpr uint32_t kArchitectureGicv2 = 0x2b;  // ICPIDR2.ArchRev = 2
constexpr uint32_t kInterrupts = kPrivateInterrupts + kSpis;
constexpr uint32_t kWords = kInterrupts / 32;
constexpr uint32_t kSgiConfig = 0xaaaaaaaa;  // SGIs are edge-triggered

uint8_t TargetsByte(const Vgic& vgic, const Vcpu& vcpu, uint32_t intid) {
  return intid < kPrivateInterrupts ? static_cast<uint8_t>(1u << vcpu.index)
                                    : vgic.SpiTargets(intid - kPrivateInterrupts);
}

void WriteSgi(Vgic& vgic, Vcpu& vcpu, uint32_t value) {
  const uint32_t self = uint32_t{1} << vcpu.index;
  uint32_t targets = 0;
  switch (value >> distributor::kSgiFilterShift & 3) {
    case 0:
      targets = value >> distributor::kSgiTargetShift & 0xff;
      break;
    case 1:
      targets = ~self & 0xff;
      break;
    case distributor::kSgiToSelf:
      targets = self;
      break;
    default:
      return;  // reserved
  }
  vgic.SendSgi(vcpu, value & 0xf, targets);
}

bool IsByteBlock(uint32_t block) { return block >= kPriority && block < kConfig; }

[[gnu::noinline]] uint32_t ReadBytes(Vgic& vgic, Vcpu& vcpu, uint32_t offset, uint32_t bytes) {
  const bool targets = offset >> 7 >= kTargets;
  const uint32_t first = offset & 0x3ff;
  uint32_t value = 0;
  for (uint32_t i = 0; i < bytes && first + i < kInterrupts; ++i) {
    const uint32_t byte =
        targets ? TargetsByte(vgic, vcpu, first + i) : vgic.Priority(vcpu, first + i);
    value |= byte << (8 * i);
  }
  return value;
}

[[gnu::noinline]] void WriteBytes(Vgic& vgic, Vcpu& vcpu, uint32_t offset, uint32_t bytes,
                                  uint32_t value) {
  const bool targets = offset >> 7 >= kTargets;
  const uint32_t first = offset & 0x3ff;
  for (uint32_t i = 0; i < bytes && first + i < kInterrupts; ++i, value >>= 8) {
    const uint32_t intid = first + i;
    if (!targets) {
      vgic.SetPriority(vcpu, intid, static_cast<uint8_t>(value));
    } else if (intid >= kPrivateInterrupts) {
      vgic.SetSpiTargets(vcpu, intid - kPrivateInterrupts, static_cast<uint8_t>(value));
    }
  }
}

bool Accepted(uint32_t offset, uint32_t bytes) {
  return (bytes == 4 && (offset & 3) == 0) || (bytes == 1 && IsByteBlock(offset >> 7));
}

uint32_t ReadControl(const Vgic& vgic, uint32_t offset) {
  switch (offset) {
    case kTyper:
      return vgic.typer();
    case kCtlr:
      return vgic.forwarding() ? 1 : 0;
    case kIidr:
      return kImplementer;
    default:
      return 0;
  }
}

uint32_t ReadConfig(const Vgic& vgic, uint32_t word) {
  if (word == 0) return kSgiConfig;
  return word == 2 || word == 3 ? vgic.spi_config(word - 2) : 0;
}

uint32_t Word(uint32_t offset) { return (offset & 0x7f) / 4; }

// The registers that are neither control nor enable.
[[gnu::noinline]] uint32_t ReadOther(Vgic& vgic, Vcpu& vcpu, uint32_t offset) {
  const uint32_t block = offset >> 7;
  const uint32_t word = Word(offset);
  if (IsByteBlock(block)) return ReadBytes(vgic, vcpu, offset, 4);
  if (block == kConfig) return ReadConfig(vgic, word);
  if (block == kIdentification) return offset == kPeripheralId2 ? kArchitectureGicv2 : 0;
  if (word >= kWords) return 0;
  switch (block) {
    case kSetPending:
    case kClearPending:
      return vgic.PendingWord(vcpu, word);
    case kSetActive:
    case kClearActive:
      return vgic.ActiveWord(vcpu, word);
    default:
      return 0;
  }
}

[[gnu::noinline]] void WriteOther(Vgic& vgic, Vcpu& vcpu, uint32_t offset, uint32_t value) {
  const uint32_t block = offset >> 7;
  const uint32_t word = Word(offset);
  if (IsByteBlock(block)) {
    WriteBytes(vgic, vcpu, offset, 4, value);
    return;
  }
  if (block == kConfig) {
    if (word == 2 || word == 3) vgic.set_spi_config(word - 2, value & 0xaaaaaaaa);
    return;
  }
  if (offset == kCtlr) vgic.SetForwarding(vcpu, (value & 1) != 0);
  if (word >= kWords) return;
  switch (block) {
    case kSetPending:
      vgic.SetPending(vcpu, word, value);
      break;
    case kClearPending:
      vgic.ClearPending(vcpu, word, value);
      break;
    case kClearActive:
      vgic.ClearActive(vcpu, word, value);
      break;
    default:
      break;
  }
}

}  // namespace

uint32_t ReadDistributorWord(Vgic& vgic, Vcpu& vcpu, uint32_t offset) {
  const uint32_t block = offset >> 7;
  if (block == kControl) return ReadControl(vgic, offset);
  const uint32_t word = Word(offset);
  if ((block == kSetEnable || block == kClearEnable) && word < kWords) {
    return vgic.EnabledWord(vcpu, word);
  }
  return ReadOther(vgic, vcpu, offset);
}

void WriteDistributorWord(Vgic& vgic, Vcpu& vcpu, uint32_t offset, uint32_t value) {
  if (offset == kSgir) {
    WriteSgi(vgic, vcpu, value);
    return;
  }
  const uint32_t block = offset >> 7;
  const uint32_t word = Word(offset);
  if (word < kWords && block == kSetEnable) {
    vgic.Enable(vcpu, word, value);
  } else if (word < kWords && block == kClearEnable) {
    vgic.Disable(vcpu, word, value);
  } else {
    WriteOther(vgic, vcpu, offset, value);
  }
}

DistributorValue ReadDistributor(Vgic& vgic, Vcpu& vcpu, uint32_t offset, uint32_t bytes) {
  if (!Accepted(offset, bytes)) return {0, false};
  if (bytes == 1) return {ReadBytes(vgic, vcpu, offset, 1), true};
  return {ReadDistributorWord(vgic, vcpu, offset), true};
}

bool WriteDistributor(Vgic& vgic, Vcpu& vcpu, uint32_t offset, uint32_t bytes, uint32_t value) {
  if (!Accepted(offset, bytes)) return false;
  if (bytes == 1) {
    WriteBytes(vgic, vcpu, offset, 1, value);
  } else {
    WriteDistributorWord(vgic, vcpu, offset, value);
  }
  return true;
}

}  // namespace pyrene::vmm
