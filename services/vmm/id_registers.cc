// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/id_registers.h"

namespace pyrene::vmm {
namespace {

constexpr unsigned Index(unsigned crm, unsigned op2) { return IdRegisters::Index(crm, op2); }

// AArch32 view
constexpr unsigned kPfr0 = Index(1, 0), kPfr1 = Index(1, 1), kDfr0 = Index(1, 2);
constexpr unsigned kMmfr0 = Index(1, 4), kMmfr1 = Index(1, 5), kMmfr2 = Index(1, 6),
                   kMmfr3 = Index(1, 7);
constexpr unsigned kIsar0 = Index(2, 0), kIsar1 = Index(2, 1), kIsar2 = Index(2, 2);
constexpr unsigned kIsar3 = Index(2, 3), kIsar4 = Index(2, 4), kIsar5 = Index(2, 5);
constexpr unsigned kMvfr0 = Index(3, 0), kMvfr1 = Index(3, 1), kMvfr2 = Index(3, 2);
// AArch64
constexpr unsigned kAa64Pfr0 = Index(4, 0), kAa64Pfr1 = Index(4, 1);
constexpr unsigned kAa64Dfr0 = Index(5, 0);
constexpr unsigned kAa64Isar0 = Index(6, 0), kAa64Isar1 = Index(6, 1), kAa64Isar2 = Index(6, 2);
constexpr unsigned kAa64Mmfr0 = Index(7, 0), kAa64Mmfr1 = Index(7, 1), kAa64Mmfr2 = Index(7, 2);

constexpr uint64_t kPartMask = 0xff00fff0;  // implementer and part number of MIDR_EL1
constexpr uint64_t kCortexA72 = 0x4100d080;
constexpr uint64_t kCortexA53 = 0x4100d030;
constexpr uint64_t kCortexA57 = 0x4100d070;

constexpr uint64_t Field(uint64_t reg, unsigned low) { return reg >> low & 0xf; }
constexpr uint64_t With(uint64_t reg, unsigned low, uint64_t value) {
  return (reg & ~(uint64_t{0xf} << low)) | value << low;
}
constexpr uint64_t AtMost(uint64_t reg, unsigned low, uint64_t limit) {
  return Field(reg, low) > limit ? With(reg, low, limit) : reg;
}

}  // namespace

IdRegisters HostIdRegisters(uint64_t midr) {
  // Armv8.0-A: what every core of the three has (Cortex-A72 TRM, 4.3), CRC32 included.
  IdRegisters ids;
  uint64_t* v = ids.value;
  v[kPfr0] = 0x131;
  v[kPfr1] = 0x11011;
  v[kDfr0] = 0x03010066;
  v[kMmfr0] = 0x10201105;
  v[kMmfr1] = 0x40000000;
  v[kMmfr2] = 0x01260000;
  v[kMmfr3] = 0x02102211;
  v[kIsar0] = 0x02101110;
  v[kIsar1] = 0x13112111;
  v[kIsar2] = 0x21232042;
  v[kIsar3] = 0x01112131;
  v[kIsar4] = 0x00011142;
  v[kIsar5] = 0x00010001;
  v[kMvfr0] = 0x10110222;
  v[kMvfr1] = 0x12111111;
  v[kMvfr2] = 0x43;
  v[kAa64Pfr0] = 0x2222;
  v[kAa64Dfr0] = 0x10305106;
  v[kAa64Isar0] = 0x10000;
  v[kAa64Mmfr0] = 0x1122;  // 40 bits, 4 KiB and 64 KiB granules

  const uint64_t part = midr & kPartMask;
  if (part == kCortexA72 || part == kCortexA57) v[kAa64Mmfr0] = 0x1124;  // 44 bits
  if (part != kCortexA72 && part != kCortexA57 && part != kCortexA53) {
    // Unknown: nothing optional.
    v[kIsar5] = 0x1;
    v[kAa64Isar0] = 0;
  }
  return ids;
}

IdRegisters GuestIdRegisters(const IdRegisters& host) {
  IdRegisters ids = host;
  uint64_t* v = ids.value;
  // ID_AA64PFR0: EL0 3:0, EL1 7:4, EL2, EL3, FP 19:16, AdvSIMD 23:20; above: GIC, RAS, SVE, SEL2,
  // MPAM, AMU, DIT (kept), -, CSV2, CSV3 (kept).
  uint64_t pfr0 = v[kAa64Pfr0] & 0xff0f'0000'00ff'00ff;
  pfr0 = AtMost(pfr0, 4, 1);
  v[kAa64Pfr0] = pfr0;
  // ID_AA64PFR1: BT 3:0 and SSBS 7:4 need nothing of us.
  v[kAa64Pfr1] &= 0xff;
  // ID_AA64PFR2, ID_AA64ZFR0, ID_AA64SMFR0, ID_AA64FPFR0 and what is unallocated there.
  for (unsigned op2 = 2; op2 < 8; ++op2) v[Index(4, op2)] = 0;
  // ID_AA64DFR0: debug architecture and the numbers of breakpoints stay, so that Linux leaves
  // zero-reading registers alone.
  v[kAa64Dfr0] = AtMost(v[kAa64Dfr0] & 0xf0f0'f00f, 0, 6);
  for (unsigned op2 = 1; op2 < 8; ++op2) v[Index(5, op2)] = 0;
  // ID_AA64ISAR1: APA, API (7:4, 11:8) and GPA, GPI (27:24, 31:28) off. ID_AA64ISAR2: GPA3, APA3
  // (11:8, 15:12), MOPS (19:16).
  v[kAa64Isar1] &= ~uint64_t{0xff00'0ff0};
  v[kAa64Isar2] &= ~uint64_t{0x000f'ff00};
  for (unsigned op2 = 3; op2 < 8; ++op2) v[Index(6, op2)] = 0;
  // ID_AA64MMFR0: physical address range; granules without LPA2 (16 KiB: 1, 4 KiB: 0 at most); no
  // ECV, FGT.
  uint64_t mmfr0 = AtMost(v[kAa64Mmfr0], 0, 2) & 0xffff'ffff;
  if (Field(mmfr0, 20) > 1) mmfr0 = With(mmfr0, 20, 1);
  if (Field(mmfr0, 28) == 1) mmfr0 = With(mmfr0, 28, 0);
  v[kAa64Mmfr0] = mmfr0;
  // ID_AA64MMFR1: hardware access flag 3:0 and PAN 23:20 stay; no VHE (11:8), no LOR (19:16),
  // nothing of stage 2.
  v[kAa64Mmfr1] &= 0x00f0'000f;
  // ID_AA64MMFR2: CnP 3:0, UAO 7:4, LSM 11:8, IESB (RAS) off, 52-bit addresses (VARange 19:16) off,
  // CCIDX 23:20 kept; NV and later off.
  v[kAa64Mmfr2] &= 0x00f0'0fff;
  for (unsigned op2 = 3; op2 < 8; ++op2) v[Index(7, op2)] = 0;
  // AArch32: no PMU (ID_DFR0 27:24), no virtualisation, security or GIC (ID_PFR1).
  v[kDfr0] &= ~uint64_t{0x0f00'0000};
  v[kPfr1] &= 0x000f'0f0f;
  return ids;
}

}  // namespace pyrene::vmm
