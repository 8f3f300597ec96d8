// SPDX-License-Identifier: Apache-2.0
// Apart from ram.cc, because it is for AArch64 only.
#include "services/init/ram.h"

namespace pyrene::init {
namespace {

// DCZID_EL0: log2 of the block's size in words, and whether it is forbidden (Arm ARM D17.2.33).
uint64_t ZeroBlockBytes() {
  uint64_t dczid;
  asm("mrs %0, dczid_el0" : "=r"(dczid));
  return (dczid & 16) != 0 ? 0 : uint64_t{4} << (dczid & 15);
}

}  // namespace

void ZeroPages(void* memory, size_t bytes) {
  auto* at = static_cast<char*>(memory);
  char* const end = at + bytes;
  if (ZeroBlockBytes() != 64) {  // Cortex-A72: 64
    __builtin_memset(memory, 0, bytes);
    return;
  }
  for (; at != end; at += 512) {
    asm volatile(
        "dc zva, %0\n\t"
        "dc zva, %1\n\t"
        "dc zva, %2\n\t"
        "dc zva, %3\n\t"
        "dc zva, %4\n\t"
        "dc zva, %5\n\t"
        "dc zva, %6\n\t"
        "dc zva, %7" ::"r"(at),
        "r"(at + 64), "r"(at + 128), "r"(at + 192), "r"(at + 256), "r"(at + 320), "r"(at + 384),
        "r"(at + 448)
        : "memory");
  }
}

}  // namespace pyrene::init
