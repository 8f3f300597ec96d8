// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/cache.h"

#include <cstdint>

#include "kernel/arch/barrier.h"
#include "kernel/arch/sysreg.h"

namespace pyrene::arch {
namespace {

template <typename Operation>
void ForEachLine(const void* start, size_t bytes, Operation operation) {
  const uint64_t line = uint64_t{4} << (PYRENE_READ_SYSREG(ctr_el0) >> 16 & 0xf);  // DminLine
  const auto begin = reinterpret_cast<uintptr_t>(start) & ~(line - 1);
  const auto end = reinterpret_cast<uintptr_t>(start) + bytes;
  for (uintptr_t address = begin; address < end; address += line) operation(address);
}

}  // namespace

void CleanToPoc(const void* start, size_t bytes) {
  ForEachLine(start, bytes, [](uintptr_t line) {
    asm volatile("dc cvac, %0" ::"r"(line) : "memory");
  });
  DsbSy();
}

void InvalidateToPoc(const void* start, size_t bytes) {
  ForEachLine(start, bytes, [](uintptr_t line) {
    asm volatile("dc ivac, %0" ::"r"(line) : "memory");
  });
  DsbSy();
}

void SyncInstructions(const void* start, size_t bytes) {
  ForEachLine(start, bytes, [](uintptr_t line) {
    asm volatile("dc cvau, %0" ::"r"(line) : "memory");
  });
  DsbIsh();
  asm volatile("ic ialluis" ::: "memory");
  DsbIsh();
  Isb();
}

}  // namespace pyrene::arch
