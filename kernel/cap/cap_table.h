// SPDX-License-Identifier: Apache-2.0
//
// A domain's capabilities: pages of 64 slots, added when first used, paid by the domain.
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/cap/slot.h"
#include "kernel/memory/account.h"

namespace pyrene {

class CapTable final {
 public:
  // Any CPU, no lock. nullptr: no such slot, or a free one.
  const Slot* Find(uint64_t index) const {
    if (index >= kMaxCaps) return nullptr;
    const Slot* page = __atomic_load_n(&pages_[index / kSlotsPerPage], __ATOMIC_ACQUIRE);
    return page == nullptr ? nullptr : &page[index % kSlotsPerPage];
  }

  // Under the structure lock: the free slot at `index`. kBadArgument, kOccupied, kNoMemory.
  Status Reserve(Account& account, uint64_t index, Slot*& slot);

  // Any used slot, or nullptr: for emptying the table. Under the structure lock.
  Slot* AnyUsed();
  // Gives the pages back; the table must be empty.
  void Free(Account& account);

 private:
  static constexpr unsigned kSlotsPerPage = 64;
  static constexpr unsigned kPages = kMaxCaps / kSlotsPerPage;
  Slot* pages_[kPages] = {};
};

}  // namespace pyrene
