// SPDX-License-Identifier: Apache-2.0
#include "kernel/boot/ram.h"

#include "kernel/memory/layout.h"

namespace pyrene {

bool BootRam::Add(PhysicalRange range) {
  const uint64_t base = PageCeil(range.base);
  const uint64_t end = PageFloor(range.end());
  return end <= base || free_.Add(base, end - base);
}

bool BootRam::Reserve(uint64_t base, uint64_t bytes) {
  const uint64_t start = PageFloor(base);
  const uint64_t end = PageCeil(base + bytes);
  for (unsigned i = 0; i < free_.count; ++i) {
    PhysicalRange& range = free_.item[i];
    if (end <= range.base || start >= range.end()) continue;
    const uint64_t rest = range.end() > end ? range.end() - end : 0;
    range.bytes = start > range.base ? start - range.base : 0;
    if (rest != 0) {
      if (range.bytes == 0) {
        range = {end, rest};
      } else if (!free_.Add(end, rest)) {
        return false;
      }
    }
  }
  return true;
}

uint64_t BootRam::Allocate(uint64_t bytes, uint64_t alignment) {
  uint64_t best = 0;
  for (unsigned i = 0; i < free_.count; ++i) {
    const PhysicalRange& range = free_.item[i];
    if (range.bytes < bytes) continue;
    const uint64_t at = (range.end() - bytes) & ~(alignment - 1);
    if (at >= range.base && at > best) best = at;
  }
  if (best != 0 && !Reserve(best, bytes)) return 0;
  return best;
}

}  // namespace pyrene
