// SPDX-License-Identifier: Apache-2.0
//
// Cache maintenance for what is loaded into a guest: it starts with its caches off and reads memory
// itself, so every line of it that this CPU's caches hold has to be there first (ABI 1.1).
#pragma once

#include <cstdint>

namespace pyrene::vmm {

#if defined(__aarch64__)

// Cleans and invalidates a range to the point of coherency. Services may do so at EL0
// (SCTLR_EL1.UCI and UCT). QEMU has no caches; on a board it counts.
inline void CleanToMemory(const void* start, uint64_t bytes) {
  uint64_t ctr;
  asm volatile("mrs %0, ctr_el0" : "=r"(ctr));
  const uint64_t line = uint64_t{4} << (ctr >> 16 & 0xf);  // CTR_EL0.DminLine: log2 of words
  const auto first = reinterpret_cast<uint64_t>(start) & ~(line - 1);
  const uint64_t end = reinterpret_cast<uint64_t>(start) + bytes;
  for (uint64_t at = first; at < end; at += line) {
    asm volatile("dc civac, %0" : : "r"(at) : "memory");
  }
  asm volatile("dsb sy" : : : "memory");
}

#else

// Elsewhere guests are loaded by tests only, and never run.
inline void CleanToMemory(const void*, uint64_t) {}

#endif

}  // namespace pyrene::vmm
