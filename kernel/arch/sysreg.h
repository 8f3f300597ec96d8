// SPDX-License-Identifier: Apache-2.0
//
// System registers by name, and the values of the control registers that the kernel sets (DDI 0487,
// D13/D17).
#pragma once

#include <cstdint>

#define PYRENE_READ_SYSREG(name)                   \
  ({                                               \
    uint64_t value_;                               \
    asm volatile("mrs %0, " #name : "=r"(value_)); \
    value_;                                        \
  })
#define PYRENE_WRITE_SYSREG(name, value) \
  asm volatile("msr " #name ", %x0" ::"rZ"(static_cast<uint64_t>(value)))

namespace pyrene::arch {

namespace hcr {
inline constexpr uint64_t kVm = 1u << 0;    // stage 2 on
inline constexpr uint64_t kSwio = 1u << 1;  // set/way invalidate becomes clean and invalidate
inline constexpr uint64_t kPtw = 1u << 2;   // a stage-1 walk into Device memory faults
inline constexpr uint64_t kFmo = 1u << 3;
inline constexpr uint64_t kImo = 1u << 4;
inline constexpr uint64_t kAmo = 1u << 5;
inline constexpr uint64_t kFb = 1u << 9;  // broadcast of TLB and instruction cache maintenance
inline constexpr uint64_t kBsuInner = 1u << 10;  // barriers reach the inner shareable domain
inline constexpr uint64_t kDc =
    1u << 12;  // default cacheable: stage 1 off behaves as Normal write-back
inline constexpr uint64_t kTwi = 1u << 13;
inline constexpr uint64_t kTid3 = 1u << 18;
inline constexpr uint64_t kTsc = 1u << 19;
inline constexpr uint64_t kTidcp = 1u << 20;
inline constexpr uint64_t kTacr = 1u << 21;
inline constexpr uint64_t kTsw = 1u << 22;
inline constexpr uint64_t kTge = 1u << 27;
inline constexpr uint64_t kRw = uint64_t{1} << 31;

// A service: EL0 directly below EL2, stage 2 its only translation.
inline constexpr uint64_t kService = kRw | kTge | kDc | kVm | kAmo | kImo | kFmo;
// A guest at EL1 and EL0.
inline constexpr uint64_t kGuest = kRw | kVm | kSwio | kPtw | kFmo | kImo | kAmo | kFb | kBsuInner |
                                   kTwi | kTid3 | kTsc | kTidcp | kTacr | kTsw;
}  // namespace hcr

namespace sctlr {
inline constexpr uint64_t kM = 1u << 0;
inline constexpr uint64_t kC = 1u << 2;
inline constexpr uint64_t kSa = 1u << 3;
inline constexpr uint64_t kSa0 = 1u << 4;
inline constexpr uint64_t kI = 1u << 12;
inline constexpr uint64_t kDze = 1u << 14;
inline constexpr uint64_t kUct = 1u << 15;
inline constexpr uint64_t kNtwi = 1u << 16;
inline constexpr uint64_t kNtwe = 1u << 18;
inline constexpr uint64_t kWxn = 1u << 19;
inline constexpr uint64_t kUci = 1u << 26;
inline constexpr uint64_t kEl2Res1 = 0x30c50830;
inline constexpr uint64_t kEl1Res1 = 0x30d00800;

inline constexpr uint64_t kEl2 = kEl2Res1 | kM | kC | kSa | kI | kWxn;
// M has no effect under TGE; it is set because erratum 1319367's workaround wants "on, with walks
// disabled" while VTTBR_EL2 changes, and so the service's value can stay what the exit path wrote.
inline constexpr uint64_t kService = kEl1Res1 | kM | kSa0 | kDze | kUct | kNtwi | kNtwe | kUci;
}  // namespace sctlr

// CPTR_EL2: RES1 bits; TFP traps FP and SIMD from EL0, EL1 and EL2.
inline constexpr uint64_t kCptrRes1 = 0x33ff;
inline constexpr uint64_t kCptrTfp = 1u << 10;
// CPACR_EL1.FPEN = 0b11: no trap to EL1.
inline constexpr uint64_t kCpacrService = 3u << 20;
// CNTKCTL_EL1.EL0PCTEN: services read CNTPCT_EL0. CNTVCT_EL0 belongs to the loaded vCPU and traps.
inline constexpr uint64_t kCntkctlService = 1u << 0;
// CNTHCTL_EL2.EL1PCTEN: guests may read CNTPCT_EL0; EL1PCEN clear: CNTP_* trap.
inline constexpr uint64_t kCnthctl = 1u << 0;
// MDCR_EL2: TPMCR, TPM, TDA, TDOSA, TDRA: debug and PMU registers trap. Not TDE: a guest's BRK is
// its own (WARN, breakpoints); for EL0 below EL2 TGE implies it.
inline constexpr uint64_t kMdcr = 1u << 5 | 1u << 6 | 1u << 9 | 1u << 10 | 1u << 11;

// MAIR_EL2: index 0 Normal write-back, index 1 Device-nGnRE.
inline constexpr uint64_t kMair = 0x04ff;
inline constexpr unsigned kMairNormal = 0;
inline constexpr unsigned kMairDevice = 1;

// T0SZ = 25: 39-bit addresses, three levels from level 1, for EL2's own table and for all stage-2
// tables. Table walks write-back cacheable, inner shareable.
inline constexpr uint64_t kWalk = 25 | 1u << 8 | 1u << 10 | 3u << 12;
inline constexpr uint64_t kTcrRes1 = 1u << 31 | 1u << 23;
inline constexpr uint64_t kVtcrRes1 = 1u << 31;
inline constexpr uint64_t kVtcrSl0Level1 = 1u << 6;
inline constexpr unsigned kPhysicalSizeShift = 16;  // TCR_EL2.PS and VTCR_EL2.PS

inline constexpr uint64_t kTcrEl1Epd = 1u << 7 | 1u << 23;  // EPD0, EPD1: no stage-1 walks

// SPSR / PSTATE
namespace pstate {
inline constexpr uint64_t kModeMask = 0x1f;
inline constexpr uint64_t kEl0t = 0x00;
inline constexpr uint64_t kEl1t = 0x04;
inline constexpr uint64_t kEl1h = 0x05;
inline constexpr uint64_t kAarch32User = 0x10;
inline constexpr uint64_t kConditionFlags = 0xf0000000;

// What a guest may have: EL1h, EL1t, EL0 or AArch32 EL0.
inline bool IsGuests(uint64_t pstate) {
  constexpr uint32_t kAllowed = 1u << kEl0t | 1u << kEl1t | 1u << kEl1h | 1u << kAarch32User;
  return (kAllowed >> (pstate & kModeMask) & 1) != 0;
}
}  // namespace pstate

// ESR_EL2.EC
enum class ExceptionClass : uint64_t {
  kUnknown = 0x00,
  kFp = 0x07,
  kIllegalState = 0x0e,
  kSvc64 = 0x15,
  kHvc64 = 0x16,
  kSmc64 = 0x17,
  kSystemRegister = 0x18,
  kInstructionAbortLower = 0x20,
  kDataAbortLower = 0x24,
};
inline ExceptionClass ClassOf(uint64_t esr) {
  return static_cast<ExceptionClass>(esr >> 26 & 0x3f);
}

// An asynchronous exception is pending at EL2 (ISR_EL1: A, I, F).
inline bool InterruptPending() { return PYRENE_READ_SYSREG(isr_el1) != 0; }

inline uint64_t Counter() {
  // The ISB keeps the read from being made early (DDI 0487, D11.2.2).
  asm volatile("isb" ::: "memory");
  return PYRENE_READ_SYSREG(cntpct_el0);
}

}  // namespace pyrene::arch
