// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/system_registers.h"

#include "services/vmm/domain.h"
#include "services/vmm/exceptions.h"
#include "services/vmm/syndrome.h"

namespace pyrene::vmm {
namespace {

constexpr uint32_t kZeroRegister = 31;

// Fields of the syndrome (EC 0x18): Op0 21:20, Op2 19:17, Op1 16:14, CRn 13:10, Rt 9:5, CRm 4:1,
// read 0.
constexpr uint32_t Key(uint32_t op0, uint32_t op1, uint32_t crn, uint32_t crm, uint32_t op2) {
  return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | crm << 1;
}
constexpr uint32_t kKeyMask = Key(3, 7, 15, 15, 7);
constexpr uint32_t kGroupMask = Key(3, 7, 15, 0, 0);

uint32_t Op1(uint32_t key) { return key >> 14 & 7; }
uint32_t Crn(uint32_t key) { return key >> 10 & 15; }
uint32_t Crm(uint32_t key) { return key >> 1 & 15; }
uint32_t Op2(uint32_t key) { return key >> 17 & 7; }

constexpr uint32_t kIdGroup = Key(3, 0, 0, 0, 0);
constexpr uint32_t kActlr = Key(3, 0, 1, 0, 1);
constexpr uint32_t kOslsr = Key(2, 0, 1, 1, 4);
constexpr uint64_t kOsLockImplemented = 8;  // OSLSR_EL1.OSLM: there is an OS lock, and it is open

// PMINTENSET/CLR, PMMIR: op1 0, CRn 9, CRm 14. PM*_EL0: op1 3, CRn 9, CRm 12..14, and CRn 14,
// CRm 8..15.
bool IsPmu(uint32_t key) {
  if (Op1(key) == 0) return Crn(key) == 9 && Crm(key) == 14;
  if (Op1(key) != 3) return false;
  return (Crn(key) == 9 && Crm(key) >= 12 && Crm(key) <= 14) || (Crn(key) == 14 && Crm(key) >= 8);
}

// Registers that read as zero and ignore writes. True: *value is what a read gives.
bool ReadOther(uint32_t key, uint64_t* value) {
  *value = 0;
  if (key >> 20 == 2) {
    // Debug: op1 0 (EL1) and 3 (EL0). op1 1 is trace, which is not there.
    if (key == kOslsr) *value = kOsLockImplemented;
    return Op1(key) == 0 || Op1(key) == 3;
  }
  return key == kActlr || (key >> 20 == 3 && IsPmu(key));
}

[[gnu::noinline]] Action HandleOther(Vcpu& vcpu) {
  VcpuState& state = *vcpu.state;
  const auto esr = static_cast<uint32_t>(state.exit.esr);
  uint64_t value = 0;
  if (!ReadOther(esr & kKeyMask, &value)) {
    InjectUndefined(vcpu, state.pc);
    return Prepare(vcpu, Action::kRun);
  }
  const uint32_t reg = esr >> syndrome::kSystemRegisterShift & 0x1f;
  if ((esr & syndrome::kRead) != 0 && reg != kZeroRegister) state.x[reg] = value;
  state.pc += 4;
  return Prepare(vcpu, Action::kRun);
}

}  // namespace

Action HandleSystemRegister(Vcpu& vcpu) {
  VcpuState& state = *vcpu.state;
  const auto esr = static_cast<uint32_t>(state.exit.esr);
  const uint32_t index = IdRegisters::Index(Crm(esr), Op2(esr));
  if ((esr & (kGroupMask | syndrome::kRead)) != (kIdGroup | syndrome::kRead) ||
      index >= IdRegisters::kCount) [[unlikely]] {
    return HandleOther(vcpu);
  }
  const uint32_t reg = esr >> syndrome::kSystemRegisterShift & 0x1f;
  if (reg != kZeroRegister) state.x[reg] = vcpu.domain->config().ids.value[index];
  state.pc += 4;
  return Prepare(vcpu, Action::kRun);
}

}  // namespace pyrene::vmm
