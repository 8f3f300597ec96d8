// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/personality/emulate.h"

#include "runtime/kernel/syscall.h"

namespace pyrene::personality {
namespace {

// ESR_ELx for trapped MSR, MRS (Arm ARM D17.2.37, EC 0x18).
constexpr uint64_t kClassSystemRegister = 0x18;
constexpr uint64_t kRegisterMask = 0x3f'fc1f;  // Op0, Op2, Op1, CRn, CRm and the direction; not Rt
constexpr uint64_t Read(uint64_t op0, uint64_t op1, uint64_t crn, uint64_t crm, uint64_t op2) {
  return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | crm << 1 | 1;
}
constexpr uint64_t kReadCntvct = Read(3, 3, 14, 0, 2);

}  // namespace

bool EmulateRead(const UpcallInfo& info, UpcallFrame& frame) {
  if (info.esr >> kEsrClassShift != kClassSystemRegister ||
      (info.esr & kRegisterMask) != kReadCntvct)
    return false;
  const uint64_t target = info.esr >> 5 & 31;
  if (target < 31) frame.x[target] = sys::Ticks();
  return true;
}

}  // namespace pyrene::personality
