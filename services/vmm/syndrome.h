// SPDX-License-Identifier: Apache-2.0
//
// ESR_EL2 as the VMM decodes it (Arm ARM D17.2.37): exception classes and the syndromes of traps
// and aborts.
#pragma once

#include <cstdint>

namespace pyrene::vmm::syndrome {

inline constexpr unsigned kClassShift = 26;
inline constexpr uint64_t kLength32 = 1u << 25;  // IL

inline constexpr uint64_t kUnknown = 0x00;
inline constexpr uint64_t kWaitFor = 0x01;  // WFI, WFE
inline constexpr uint64_t kHvc64 = 0x16;
inline constexpr uint64_t kSmc64 = 0x17;
inline constexpr uint64_t kSystemRegister = 0x18;
inline constexpr uint64_t kInstructionAbort = 0x20;  // from a lower level; +1: from the same
inline constexpr uint64_t kDataAbort = 0x24;         // likewise

inline constexpr uint64_t kImmediate = 0xffff;  // HVC, SMC
inline constexpr uint64_t kWaitForEvent = 1;    // WFE rather than WFI

// Data aborts
inline constexpr uint64_t kValid = 1u << 24;  // ISV: the fields below hold
inline constexpr unsigned kSizeShift = 22;    // SAS: log2 of the bytes
inline constexpr uint64_t kSizeMask = 3u << kSizeShift;
inline constexpr uint64_t kSizeWord = 2u << kSizeShift;
inline constexpr uint64_t kSignExtend = 1u << 21;  // SSE
inline constexpr unsigned kRegisterShift = 16;     // SRT
inline constexpr uint64_t kSixtyFour = 1u << 15;   // SF: the register is used as 64 bits
inline constexpr uint64_t kTableWalk = 1u << 7;    // S1PTW
inline constexpr uint64_t kWrite = 1u << 6;        // WnR
inline constexpr uint64_t kFaultMask = 0x3c;       // fault status without the level
inline constexpr uint64_t kTranslationFault = 0x04;
inline constexpr uint64_t kAccessFlagFault = 0x08;

// System register traps
inline constexpr uint64_t kRead = 1;
inline constexpr unsigned kSystemRegisterShift = 5;  // Rt

}  // namespace pyrene::vmm::syndrome
