// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/grant_table.h"

#include <mutex>
#include <new>

#include "runtime/guarded.h"
#include "services/vmm/guest_word.h"

namespace pyrene::vmm {
namespace {

// A guest may change an entry for ever just as it is being taken.
constexpr int kPinTries = 5;
constexpr uint16_t kMaxPinsPerEntry = 0xffff;

}  // namespace

GrantTable::GrantTable(Host& host, GuestMemory& memory, uint16_t domid, uint32_t max_frames,
                       uint32_t max_maps)
    : host_(host),
      memory_(memory),
      domid_(domid),
      max_frames_(max_frames < memory.frames().grant_frames ? max_frames
                                                            : memory.frames().grant_frames),
      max_maps_(max_maps),
      entries_(std::make_unique<std::unique_ptr<Entry[]>[]>(max_frames_)),
      maps_(std::make_unique<MapRecord[]>(max_maps)) {
  Reset();
}

void GrantTable::Reset() {
  std::lock_guard lock(mutex_);
  frames_ = 0;
  for (uint32_t i = 0; i < max_frames_; ++i) entries_[i].reset();
  for (uint32_t i = 0; i < max_maps_; ++i) {
    if (maps_[i].used) (void)host_.Unmap(maps_[i].gfn);
    maps_[i] = {};
  }
  pins_ = 0;
  auto* words = reinterpret_cast<uint64_t*>(memory_.frames().grant_table);
  for (uint64_t i = 0; i < max_frames_ * xen::kPageSize / 8; ++i) words[i] = 0;
  if (max_frames_ != 0) {
    entries_[0] = std::make_unique<Entry[]>(xen::kGrantsPerFrame);
    frames_ = 1;
  }
}

void GrantTable::Seed(uint32_t ref, uint16_t domid, uint32_t gfn) {
  *TableEntry(ref) = {xen::kGrantPermitAccess, domid, gfn};
}

bool GrantTable::Grow(uint32_t index) {
  if (index >= max_frames_) return false;
  std::lock_guard lock(mutex_);
  for (uint32_t i = frames(); i <= index; ++i) {
    entries_[i].reset(new (std::nothrow) Entry[xen::kGrantsPerFrame]);
    if (entries_[i] == nullptr) return false;
    frames_.store(i + 1, std::memory_order_relaxed);
  }
  return true;
}

xen::GrantStatus GrantTable::Mark(uint32_t ref, uint16_t domid, bool write) const {
  // Flags and domid are one aligned word of the table.
  auto* word = reinterpret_cast<uint32_t*>(TableEntry(ref));
  const uint32_t add = xen::kGrantReading | (write ? uint32_t{xen::kGrantWriting} : 0);
  uint32_t seen = GuestAcquire(word);
  for (int tries = 0;; ++tries) {
    if (tries == kPinTries) return xen::kGrantGeneralError;
    if ((seen & xen::kGrantTypeMask) != xen::kGrantPermitAccess || seen >> 16 != domid ||
        (seen & xen::kGrantSubPage) != 0 || (write && (seen & xen::kGrantReadonly) != 0)) {
      return xen::kGrantGeneralError;
    }
    if (__atomic_compare_exchange_n(word, &seen, seen | add, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_ACQUIRE)) {
      return xen::kGrantOk;
    }
  }
}

void GrantTable::Unmark(uint32_t ref, uint16_t flags) const {
  __atomic_fetch_and(&TableEntry(ref)->flags, static_cast<uint16_t>(~flags), __ATOMIC_RELEASE);
}

xen::GrantStatus GrantTable::PinLocked(uint16_t domid, uint32_t ref, bool write, uint32_t* gfn) {
  Entry* entry = Find(ref);
  if (entry == nullptr) return xen::kGrantBadRef;
  if (entry->readers == kMaxPinsPerEntry) return xen::kGrantGeneralError;
  if (entry->readers != 0 && entry->domid != domid) return xen::kGrantGeneralError;
  if (const xen::GrantStatus status = Mark(ref, domid, write); status != xen::kGrantOk)
    return status;

  if (entry->readers == 0) {
    entry->gfn = GuestAcquire(&TableEntry(ref)->frame);
    entry->domid = domid;
  }
  ++entry->readers;
  if (write) ++entry->writers;
  ++pins_;
  if (memory_.GrantablePage(entry->gfn) == nullptr) {
    UnpinLocked(domid, ref, write);
    return xen::kGrantBadPage;
  }
  *gfn = entry->gfn;
  return xen::kGrantOk;
}

bool GrantTable::UnpinLocked(uint16_t domid, uint32_t ref, bool write) {
  Entry* entry = Find(ref);
  if (entry == nullptr || entry->domid != domid || entry->readers == 0) return false;
  // A pin to read and one to write are told apart: the counts must cover it.
  if (write ? entry->writers == 0 : entry->readers == entry->writers) return false;
  --entry->readers;
  if (write) --entry->writers;
  --pins_;
  uint16_t clear = 0;
  if (entry->writers == 0) clear |= xen::kGrantWriting;
  if (entry->readers == 0) clear |= xen::kGrantReading;
  if (clear != 0) Unmark(ref, clear);
  return true;
}

xen::GrantStatus GrantTable::Pin(uint16_t domid, uint32_t ref, bool write, uint32_t* gfn) {
  std::lock_guard lock(mutex_);
  return PinLocked(domid, ref, write, gfn);
}

bool GrantTable::Unpin(uint16_t domid, uint32_t ref, bool write) {
  std::lock_guard lock(mutex_);
  return UnpinLocked(domid, ref, write);
}

uint32_t GrantTable::DropEpoch(uint16_t domid) {
  std::lock_guard lock(mutex_);
  const uint32_t before = pins_;
  for (uint32_t ref = 0; pins_ != 0 && ref < frames() * xen::kGrantsPerFrame; ++ref) {
    Entry* entry = Find(ref);
    if (entry->domid != domid) continue;
    while (entry->writers != 0) UnpinLocked(domid, ref, true);
    while (entry->readers != 0) UnpinLocked(domid, ref, false);
  }
  return before - pins_;
}

bool GrantTable::NextPin(uint16_t domid, uint32_t* ref, uint32_t* gfn, bool* write) {
  std::lock_guard lock(mutex_);
  for (; *ref < frames() * xen::kGrantsPerFrame; ++*ref) {
    const Entry* entry = Find(*ref);
    if (entry->readers == 0 || entry->domid != domid) continue;
    *gfn = entry->gfn;
    *write = entry->writers != 0;
    return true;
  }
  return false;
}

template <typename Use>
xen::GrantStatus GrantTable::WithPage(uint16_t domid, uint32_t ref, bool write, Use use) {
  std::lock_guard lock(mutex_);
  const Entry* const entry = Find(ref);
  if (entry == nullptr) return xen::kGrantBadRef;
  // Nobody else's counts change while the lock is held, so they need not show this use.
  const bool alone = entry->readers == 0;
  uint32_t gfn = 0;
  if (const xen::GrantStatus status =
          alone ? Mark(ref, domid, write) : PinLocked(domid, ref, write, &gfn);
      status != xen::kGrantOk) {
    return status;
  }
  if (alone) gfn = GuestAcquire(&TableEntry(ref)->frame);
  std::byte* const page = memory_.GrantablePage(gfn);
  const xen::GrantStatus status = page == nullptr ? xen::kGrantBadPage
                                  : use(page)     ? xen::kGrantOk
                                                  : xen::kGrantGeneralError;
  if (alone) {
    Unmark(ref, write ? xen::kGrantReading | xen::kGrantWriting : xen::kGrantReading);
  } else {
    UnpinLocked(domid, ref, write);
  }
  return status;
}

xen::GrantStatus GrantTable::CopyFrom(uint16_t domid, uint32_t ref, uint32_t offset, void* to,
                                      uint32_t length) {
  if (offset > xen::kPageSize || length > xen::kPageSize - offset) return xen::kGrantBadCopyArg;
  return WithPage(domid, ref, false, [=](const std::byte* page) {
    return runtime::GuardedCopy(to, page + offset, length);
  });
}

xen::GrantStatus GrantTable::CopyTo(uint16_t domid, uint32_t ref, uint32_t offset, const void* from,
                                    uint32_t length) {
  if (offset > xen::kPageSize || length > xen::kPageSize - offset) return xen::kGrantBadCopyArg;
  return WithPage(domid, ref, true, [=](std::byte* page) {
    return runtime::GuardedCopy(page + offset, from, length);
  });
}

uint32_t GrantTable::pins() {
  std::lock_guard lock(mutex_);
  return pins_;
}

}  // namespace pyrene::vmm
