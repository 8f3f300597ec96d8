// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/vmid.h"

namespace pyrene {
namespace {

uint64_t taken[kVmids / 64] = {1};  // bit 0: VMID 0

}  // namespace

unsigned AllocateVmid() {
  for (unsigned i = 0; i < kVmids / 64; ++i) {
    if (~taken[i] == 0) continue;
    const unsigned bit = static_cast<unsigned>(__builtin_ctzll(~taken[i]));
    taken[i] |= uint64_t{1} << bit;
    return i * 64 + bit;
  }
  return 0;
}

void FreeVmid(unsigned vmid) { taken[vmid / 64] &= ~(uint64_t{1} << vmid % 64); }

}  // namespace pyrene
