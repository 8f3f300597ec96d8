// SPDX-License-Identifier: Apache-2.0
//
// The guest's half of the 2-level event channels, vCPU 0's alone.
#pragma once

#include <cstdint>

#include "tests/guest/hypercall.h"

namespace pyrene::guest::bench {

// The page that memory_op(add_to_physmap) replaces by the hypervisor's.
alignas(4096) extern unsigned char shared_info_page[4096];
inline xen::SharedInfo& SharedInfo() {
  return *reinterpret_cast<xen::SharedInfo*>(shared_info_page);
}
// Maps it, all ports masked.
void MapSharedInfo();
void ClearMask(uint32_t port);

// Clears what is pending and not masked. Returns the number of events found.
inline uint32_t TakeEvents() {
  xen::SharedInfo& shared = SharedInfo();
  xen::VcpuInfo& info = shared.vcpu_info[0];
  uint32_t events = 0;
  while (__atomic_exchange_n(&info.upcall_pending, 0, __ATOMIC_SEQ_CST) != 0) {
    uint64_t words = __atomic_exchange_n(&info.pending_sel, 0, __ATOMIC_SEQ_CST);
    for (; words != 0; words &= words - 1) {
      const int w = __builtin_ctzll(words);
      uint64_t ready = shared.evtchn_pending[w] & ~shared.evtchn_mask[w];
      for (; ready != 0; ready &= ready - 1) {
        const uint64_t port = ready & -ready;
        __atomic_fetch_and(&shared.evtchn_pending[w], ~port, __ATOMIC_SEQ_CST);
        ++events;
      }
    }
  }
  return events;
}

}  // namespace pyrene::guest::bench
