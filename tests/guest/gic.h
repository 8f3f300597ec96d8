// SPDX-License-Identifier: Apache-2.0
//
// The GICv2 at the addresses that Xen's toolstack gives guests.
#pragma once

#include <cstdint>

#include "services/vmm/xen_interface.h"

namespace pyrene::guest::gic {

enum class Distributor : uint64_t {
  kCtlr = 0x000,
  kTyper = 0x004,
  kIsenabler = 0x100,
  kIcpendr = 0x280,
  kIcactiver = 0x380,
  kIpriorityr = 0x400,
  kSgir = 0xf00,
};
enum class Interface : uint64_t {
  kCtlr = 0x00,
  kPmr = 0x04,
  kIar = 0x0c,
  kEoir = 0x10,
  kApr = 0xd0,
};

inline constexpr uint32_t kIntidMask = 0x3ff;

inline volatile uint32_t* At(Distributor r) {
  return reinterpret_cast<volatile uint32_t*>(vmm::xen::kGicdBase + static_cast<uint64_t>(r));
}
inline volatile uint32_t* At(Interface r) {
  return reinterpret_cast<volatile uint32_t*>(vmm::xen::kGiccBase + static_cast<uint64_t>(r));
}

// To the own CPU: target list filter 2.
inline void SendSgiToSelf(uint32_t sgi) { *At(Distributor::kSgir) = 2u << 24 | sgi; }

// To other CPUs of the guest, by bits.
inline void SendSgi(uint32_t sgi, uint32_t cpus) { *At(Distributor::kSgir) = cpus << 16 | sgi; }

}  // namespace pyrene::guest::gic
