// SPDX-License-Identifier: Apache-2.0
//
// Changes of the guest's physical map that the guest asks for (XENMEM_*): shared_info and
// grant-table frames come and go at the guest's choice of address, RAM pages are given up and taken
// back. Any vCPU's own thread; one lock.
//
// Where a frame is put over RAM, the RAM page below becomes absent, as with Xen; it comes back by
// populate_physmap. RAM that the guest gives up stays with the VMM until the guest dies: pointers
// into it (vcpu_info, runstate, pinned grants) remain valid. All results are 0 or a negative errno.
#pragma once

#include <cstdint>
#include <memory>

#include "services/vmm/guest_memory.h"
#include "services/vmm/host.h"
#include "services/vmm/mutex.h"

namespace pyrene::vmm {

class GrantTable;

class Physmap {
 public:
  Physmap(Host& host, GuestMemory& memory, GrantTable& grants);

  // The map that the guest starts with: all RAM, nothing else. No vCPU runs.
  void Reset();

  int64_t AddSharedInfo(uint64_t gfn);
  int64_t AddGrantFrame(uint32_t index, uint64_t gfn);
  // Removes a frame, or a RAM page.
  int64_t Remove(uint64_t gfn);
  // One page out of, or back into, the guest's RAM.
  bool Decrease(uint64_t gfn);
  bool Populate(uint64_t gfn);

 private:
  static constexpr uint64_t kNowhere = ~uint64_t{0};

  int64_t AddFrame(uint64_t gfn, FrameKind kind, uint32_t index, uint64_t* where);
  bool TakeRam(uint64_t gfn);

  Host& host_;
  GuestMemory& memory_;
  GrantTable& grants_;
  Mutex mutex_;
  uint64_t shared_info_at_ = kNowhere;
  std::unique_ptr<uint64_t[]> grant_at_;  // by index
};

}  // namespace pyrene::vmm
