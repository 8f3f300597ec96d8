// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/physmap.h"

#include <mutex>

#include "services/vmm/grant_table.h"

namespace pyrene::vmm {
namespace {

// Where a guest may put a frame: the grant window, and from the first RAM bank on everything that
// stage 2 can translate. Below lie the GIC and the magic pages.
bool MayHoldFrame(uint64_t gfn) {
  if (gfn - (xen::kGrantWindowBase >> xen::kPageShift) < xen::kGrantWindowSize >> xen::kPageShift) {
    return true;
  }
  return gfn >= xen::kRam0Base >> xen::kPageShift && gfn < xen::kAddressLimit >> xen::kPageShift;
}

}  // namespace

Physmap::Physmap(Host& host, GuestMemory& memory, GrantTable& grants)
    : host_(host),
      memory_(memory),
      grants_(grants),
      grant_at_(std::make_unique<uint64_t[]>(memory.frames().grant_frames)) {
  for (uint32_t i = 0; i < memory.frames().grant_frames; ++i) grant_at_[i] = kNowhere;
}

void Physmap::Reset() {
  std::lock_guard lock(mutex_);
  const auto drop = [this](uint64_t* where) {
    if (*where != kNowhere) (void)host_.Unmap(*where);
    *where = kNowhere;
  };
  drop(&shared_info_at_);
  for (uint32_t i = 0; i < memory_.frames().grant_frames; ++i) drop(&grant_at_[i]);
  if (memory_.present_pages() == memory_.total_pages()) return;
  for (unsigned bank = 0; bank < GuestMemory::kBanks; ++bank) {
    const uint64_t first = memory_.bank(bank).gpa >> xen::kPageShift;
    for (uint64_t i = 0; i < memory_.bank(bank).bytes >> xen::kPageShift; ++i) {
      if (memory_.RamPage(first + i) != nullptr) continue;
      if (host_.MapRam(first + i)) memory_.SetPresent(first + i, true);
    }
  }
}

bool Physmap::TakeRam(uint64_t gfn) {
  if (!host_.Unmap(gfn)) return false;
  memory_.SetPresent(gfn, false);
  return true;
}

int64_t Physmap::AddFrame(uint64_t gfn, FrameKind kind, uint32_t index, uint64_t* where) {
  if (!MayHoldFrame(gfn)) return -xen::kEinval;
  if (*where == gfn) return 0;
  if (*where != kNowhere) return -xen::kEbusy;
  const bool was_ram = memory_.RamPage(gfn) != nullptr;
  if (was_ram && !TakeRam(gfn)) return -xen::kEnomem;
  if (!host_.MapFrame(gfn, kind, index)) {
    if (was_ram && host_.MapRam(gfn)) memory_.SetPresent(gfn, true);
    return -xen::kEnomem;
  }
  *where = gfn;
  return 0;
}

int64_t Physmap::AddSharedInfo(uint64_t gfn) {
  std::lock_guard lock(mutex_);
  return AddFrame(gfn, FrameKind::kSharedInfo, 0, &shared_info_at_);
}

int64_t Physmap::AddGrantFrame(uint32_t index, uint64_t gfn) {
  if (!grants_.Grow(index)) return -xen::kEinval;
  std::lock_guard lock(mutex_);
  return AddFrame(gfn, FrameKind::kGrantTable, index, &grant_at_[index]);
}

int64_t Physmap::Remove(uint64_t gfn) {
  if (gfn == kNowhere) return -xen::kEinval;
  std::lock_guard lock(mutex_);
  uint64_t* where = nullptr;
  if (shared_info_at_ == gfn) where = &shared_info_at_;
  for (uint32_t i = 0; where == nullptr && i < memory_.frames().grant_frames; ++i) {
    if (grant_at_[i] == gfn) where = &grant_at_[i];
  }
  if (where != nullptr) {
    if (!host_.Unmap(gfn)) return -xen::kEnomem;
    *where = kNowhere;
    return 0;
  }
  if (memory_.RamPage(gfn) == nullptr) return -xen::kEnoent;
  return TakeRam(gfn) ? 0 : -xen::kEnomem;
}

bool Physmap::Decrease(uint64_t gfn) {
  std::lock_guard lock(mutex_);
  return memory_.RamPage(gfn) != nullptr && TakeRam(gfn);
}

bool Physmap::Populate(uint64_t gfn) {
  std::lock_guard lock(mutex_);
  if (!memory_.InBank(gfn)) return false;
  if (memory_.RamPage(gfn) != nullptr) return false;
  if (!host_.MapRam(gfn)) return false;
  memory_.SetPresent(gfn, true);
  return true;
}

}  // namespace pyrene::vmm
