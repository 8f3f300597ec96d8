// SPDX-License-Identifier: Apache-2.0
//
// Capabilities as user code sees them: indices into its own domain's table, object types and
// rights.
//
// A capability lives no longer than the one it was copied or derived from: cap_delete removes a
// capability and everything that descends from it, cap_revoke only what descends. An object dies
// with the capability that its creation made.
#pragma once

#include <cstdint>

namespace pyrene {

using CapIndex = uint32_t;

// Index 0 never names a capability, so that a zeroed field is "none".
inline constexpr CapIndex kNullCap = 0;
// Every service finds its own domain and its first thread here.
inline constexpr CapIndex kSelfDomainCap = 1;
inline constexpr CapIndex kSelfThreadCap = 2;
// The first index that the creator of a domain, or the domain itself, fills as it likes.
inline constexpr CapIndex kFirstFreeCap = 8;
// Sixteen pages of 64 slots: three times what the largest service (init) holds for 32 guests.
inline constexpr CapIndex kMaxCaps = 1024;

enum class ObjectType : uint8_t {
  kNone = 0,
  kDomain = 1,
  kThread = 2,
  kVcpu = 3,
  kMemory = 4,
  kPort = 5,
  kNotification = 6,
  kIrq = 7,
  kIrqControl = 8,  // all interrupt lines that nobody holds; Irqs are derived from it
  kFirmware = 9,    // system off and reset by PSCI, where the machine has it
};

// Rights are bits whose meaning depends on the type.
using Rights = uint8_t;

namespace rights {
// Memory
inline constexpr Rights kRead = 0x01;
inline constexpr Rights kWrite = 0x02;
inline constexpr Rights kExecute = 0x04;
inline constexpr Rights kDma = 0x08;  // memory_info tells the physical address
// Domain, Thread: everything. Vcpu: run, sync and translate.
inline constexpr Rights kControl = 0x01;
// Vcpu
inline constexpr Rights kKick = 0x02;
// Port
inline constexpr Rights kCall = 0x01;
inline constexpr Rights kReceive = 0x02;
// Notification
inline constexpr Rights kSignal = 0x01;
inline constexpr Rights kWait = 0x02;
// Any type: may be copied, derived from and sent through a port.
inline constexpr Rights kCopy = 0x80;
inline constexpr Rights kAll = 0xff;
}  // namespace rights

}  // namespace pyrene
