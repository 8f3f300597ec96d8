// SPDX-License-Identifier: Apache-2.0
//
// The wallclock in shared_info: UTC at the guest's virtual counter 0. A sequence count, odd while
// the fields change, lets a running guest read it consistently (ABI 3.1).
#pragma once

#include <atomic>
#include <cstdint>

#include "services/vmm/guest_word.h"
#include "services/vmm/xen_interface.h"

namespace pyrene::vmm {

// One writer at a time.
inline void SetWallclock(xen::SharedInfo& shared, uint64_t utc_ns) {
  constexpr uint64_t kNsPerSecond = 1'000'000'000;
  const uint64_t seconds = utc_ns / kNsPerSecond;
  // Of our own making: what the guest wrote there must not leave the count odd.
  const uint32_t version = __atomic_load_n(&shared.wc_version, __ATOMIC_RELAXED) & ~uint32_t{1};
  GuestStore(&shared.wc_version, version + 1);
  std::atomic_thread_fence(std::memory_order_release);
  GuestStore(&shared.wc_sec, static_cast<uint32_t>(seconds));
  GuestStore(&shared.wc_sec_hi, static_cast<uint32_t>(seconds >> 32));
  GuestStore(&shared.wc_nsec, static_cast<uint32_t>(utc_ns % kNsPerSecond));
  __atomic_store_n(&shared.wc_version, version + 2, __ATOMIC_RELEASE);
}

}  // namespace pyrene::vmm
