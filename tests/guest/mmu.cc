// SPDX-License-Identifier: Apache-2.0
//
// Stage 1: addresses are guest-physical addresses, memory is cached. Called by start.S.
#include <cstdint>

#include "services/vmm/xen_interface.h"

namespace pyrene::guest {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kBlockBytes = uint64_t{2} << 20;
constexpr unsigned kEntries = 512;

// Descriptors (Arm ARM D8.3). Blocks: inner shareable, access flag, EL1 only.
constexpr uint64_t kTable = 3;
constexpr uint64_t kBlock = 1 | 3u << 8 | 1u << 10;
constexpr uint64_t kNormal = 0u << 2;                      // MAIR index 0
constexpr uint64_t kDevice = 1u << 2 | uint64_t{3} << 53;  // MAIR index 1; never executed

constexpr uint64_t kMair = 0x04ff;  // 0: write-back; 1: Device-nGnRE
// T0SZ 25, walks write-back and inner shareable, no TTBR1, 40-bit physical addresses.
constexpr uint64_t kTcr = 25 | 1u << 8 | 1u << 10 | 3u << 12 | 1u << 23 | uint64_t{2} << 32;
constexpr uint64_t kSctlr = 0x30d00800 | 1u << 0 | 1u << 2 | 1u << 12;  // RES1, M, C, I

// 39-bit addresses: level 1 has 1 GiB an entry.
alignas(4096) uint64_t level1[kEntries];
alignas(4096) uint64_t first_gib[kEntries];

}  // namespace

extern "C" void SwitchMmuOn();

extern "C" void TurnMmuOn() {
  // The first GiB holds devices, and the pages shared with the console's back-end.
  for (uint64_t i = 0; i < kEntries; ++i) {
    const uint64_t base = i * kBlockBytes;
    first_gib[i] = base | kBlock | (base == vmm::xen::kMagicBase ? kNormal : kDevice);
  }
  level1[0] = reinterpret_cast<uint64_t>(first_gib) | kTable;
  level1[vmm::xen::kRam0Base / kGiB] = vmm::xen::kRam0Base | kBlock | kNormal;
  // Written past the caches: no older line must be seen by the walks.
  constexpr uint64_t kLine = 64;
  asm volatile("dsb sy" ::: "memory");
  for (uint64_t i = 0; i < sizeof(level1); i += kLine) {
    asm volatile("dc ivac, %0" ::"r"(reinterpret_cast<uint64_t>(level1) + i) : "memory");
    asm volatile("dc ivac, %0" ::"r"(reinterpret_cast<uint64_t>(first_gib) + i) : "memory");
  }
  SwitchMmuOn();
}

// On a CPU that comes later, too: the tables are there.
extern "C" void SwitchMmuOn() {
  asm volatile(
      "dsb sy\n\t"
      "msr mair_el1, %0\n\t"
      "msr tcr_el1, %1\n\t"
      "msr ttbr0_el1, %2\n\t"
      "tlbi vmalle1\n\t"
      "dsb nsh\n\t"
      "isb\n\t"
      "msr sctlr_el1, %3\n\t"
      "isb" ::"r"(kMair),
      "r"(kTcr), "r"(&level1), "r"(kSctlr)
      : "memory");
}

}  // namespace pyrene::guest
