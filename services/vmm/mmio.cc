// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/mmio.h"

#include "services/vmm/domain.h"
#include "services/vmm/exceptions.h"
#include "services/vmm/syndrome.h"
#include "services/vmm/vgic_distributor_registers.h"

namespace pyrene::vmm {
namespace {

constexpr uint32_t kZeroRegister = 31;
// HPFAR_EL2: address bits 47:12 in 43:4.
constexpr uint64_t kHpfarMask = 0x0fff'ffff'fff0;
constexpr uint64_t kGicdHpfar = xen::kGicdBase >> 8;

// An access that can be emulated: its syndrome is valid, and it is a translation fault of the
// access itself, not of the table walker; only then is the address in HPFAR_EL2 sure to be right.
constexpr uint64_t kKindMask = syndrome::kValid | syndrome::kTableWalk | syndrome::kFaultMask;
constexpr uint64_t kEmulated = syndrome::kValid | syndrome::kTranslationFault;
// The usual one: a word, not sign-extended, by an instruction of 32 bits.
constexpr uint64_t kWordMask =
    kKindMask | syndrome::kSizeMask | syndrome::kSignExtend | syndrome::kLength32;
constexpr uint64_t kWord = kEmulated | syndrome::kSizeWord | syndrome::kLength32;

uint32_t Register(uint64_t esr) { return esr >> syndrome::kRegisterShift & 0x1f; }

// What a load leaves in the register: sign-extended if asked, the upper half of a 32-bit register
// zero.
uint64_t Extend(uint64_t value, uint64_t esr, unsigned bytes) {
  if ((esr & syndrome::kSignExtend) == 0) return value;
  const unsigned unused = 64 - 8 * bytes;
  const auto extended = static_cast<uint64_t>(static_cast<int64_t>(value << unused) >> unused);
  return (esr & syndrome::kSixtyFour) != 0 ? extended : extended & 0xffff'ffff;
}

bool Emulate(Vcpu& vcpu, uint64_t esr, uint32_t offset) {
  VcpuState& state = *vcpu.state;
  Vgic& vgic = vcpu.domain->vgic();
  const uint32_t bytes = 1u << ((esr & syndrome::kSizeMask) >> syndrome::kSizeShift);
  const uint32_t reg = Register(esr);
  if ((esr & syndrome::kWrite) != 0) {
    const uint64_t value = reg == kZeroRegister ? 0 : state.x[reg];
    return WriteDistributor(vgic, vcpu, offset, bytes, static_cast<uint32_t>(value));
  }
  const DistributorValue read = ReadDistributor(vgic, vcpu, offset, bytes);
  if (read.accepted && reg != kZeroRegister) state.x[reg] = Extend(read.value, esr, bytes);
  return read.accepted;
}

[[gnu::noinline]] Action HandleUnusual(Vcpu& vcpu) {
  VcpuState& state = *vcpu.state;
  const uint64_t esr = state.exit.esr;
  if ((esr & kKindMask) == kEmulated && (state.exit.hpfar & kHpfarMask) == kGicdHpfar &&
      Emulate(vcpu, esr, state.exit.far & (xen::kPageSize - 1))) {
    state.pc += (esr & syndrome::kLength32) != 0 ? 4 : 2;
  } else {
    InjectDataAbort(vcpu);
  }
  return Prepare(vcpu, Action::kRun);
}

// A word access to any register.
[[gnu::noinline]] Action HandleWord(Vcpu& vcpu) {
  VcpuState& state = *vcpu.state;
  const auto offset = static_cast<uint32_t>(state.exit.far & (xen::kPageSize - 1));
  const uint32_t reg = Register(state.exit.esr);
  Vgic& vgic = vcpu.domain->vgic();
  if ((state.exit.esr & syndrome::kWrite) != 0) {
    WriteDistributorWord(vgic, vcpu, offset, static_cast<uint32_t>(state.x[reg]));
  } else {
    state.x[reg] = ReadDistributorWord(vgic, vcpu, offset);
  }
  state.pc += 4;
  return Prepare(vcpu, Action::kRun);
}

}  // namespace

// Written so that the usual cases call nothing.
Action HandleDataAbort(Vcpu& vcpu) {
  VcpuState& state = *vcpu.state;
  const uint64_t esr = state.exit.esr;
  const uint64_t far = state.exit.far;
  const uint32_t reg = Register(esr);
  if ((esr & kWordMask) != kWord || state.exit.hpfar != kGicdHpfar || (far & 3) != 0 ||
      reg == kZeroRegister) [[unlikely]] {
    return HandleUnusual(vcpu);
  }
  const auto offset = static_cast<uint32_t>(far & (xen::kPageSize - 1));
  Vgic& vgic = vcpu.domain->vgic();
  if ((esr & syndrome::kWrite) != 0) {
    if (!TryWriteDistributorWord(vgic, vcpu, offset, static_cast<uint32_t>(state.x[reg]))) {
      return HandleWord(vcpu);
    }
  } else {
    uint32_t value = 0;
    if (!TryReadDistributorWord(vgic, vcpu, offset, &value)) return HandleWord(vcpu);
    state.x[reg] = value;
  }
  state.pc += 4;
  return Prepare(vcpu, Action::kRun);
}

}  // namespace pyrene::vmm
