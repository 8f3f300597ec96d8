// SPDX-License-Identifier: Apache-2.0
#include "kernel/cap/cap_table.h"

namespace pyrene {

Status CapTable::Reserve(Account& account, uint64_t index, Slot*& slot) {
  if (index == kNullCap || index >= kMaxCaps) return Status::kBadArgument;
  Slot*& page = pages_[index / kSlotsPerPage];
  if (page == nullptr) {
    auto* fresh = static_cast<Slot*>(account.AllocatePage());
    if (fresh == nullptr) return Status::kNoMemory;
    __atomic_store_n(&page, fresh, __ATOMIC_RELEASE);
  }
  slot = &page[index % kSlotsPerPage];
  return slot->word == 0 ? Status::kOk : Status::kOccupied;
}

Slot* CapTable::AnyUsed() {
  for (Slot* page : pages_) {
    if (page == nullptr) continue;
    for (unsigned i = 0; i < kSlotsPerPage; ++i) {
      if (page[i].word != 0) return &page[i];
    }
  }
  return nullptr;
}

void CapTable::Free(Account& account) {
  for (Slot*& page : pages_) {
    if (page != nullptr) account.FreePage(page);
    page = nullptr;
  }
}

}  // namespace pyrene
