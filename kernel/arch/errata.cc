// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/errata.h"

#include <cstdint>

#include "kernel/arch/sysreg.h"

namespace pyrene::arch {
namespace {

constexpr uint64_t kPartMask = 0xff00fff0;  // implementer and part number

struct Entry {
  uint64_t part;
  bool Errata::*absent;
};

constexpr Entry kNotAffected[] = {
    {0x4100d030, &Errata::speculative_at},  // Cortex-A53: in order
    {0x4100d050, &Errata::speculative_at},  // Cortex-A55 does not share 1319367
};

}  // namespace

// Until we know better the CPU is taken as affected.
Errata errata;

void DetectErrata() {
  const uint64_t part = PYRENE_READ_SYSREG(midr_el1) & kPartMask;
  for (const Entry& entry : kNotAffected)
    if (entry.part == part) errata.*entry.absent = false;
}

}  // namespace pyrene::arch
