// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/page_table.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/descriptor.h"
#include "kernel/arch/sysreg.h"
#include "kernel/arch/tlb.h"
#include "kernel/memory/layout.h"
#include "kernel/sched/quiesce.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene {

namespace descriptor = arch::descriptor;

uint64_t* PageTable::TableOf(uint64_t entry) {
  return KernelPointer<uint64_t>(descriptor::Address(entry));
}

void PageTable::Write(uint64_t* slot, uint64_t entry) {
  __atomic_store_n(slot, entry,
                   __ATOMIC_RELEASE);  // one store: walkers see the old or the new entry
}

uint64_t* PageTable::Find(uint64_t address, unsigned& level) const {
  uint64_t* table = root_;
  for (level = 1;; ++level) {
    uint64_t* slot = &table[IndexAt(address, level)];
    if (!descriptor::IsTable(*slot, level)) return slot;
    table = TableOf(*slot);
  }
}

PageTable::Leaf PageTable::Lookup(uint64_t address) const {
  if (address >= kAddressLimit) return {0, 0};
  unsigned level;
  const uint64_t entry = *Find(address, level);
  return {descriptor::Valid(entry) ? entry : 0, level};
}

bool PageTable::Maps(uint64_t address) const {
  unsigned level;
  return address < kAddressLimit && *Find(address, level) != 0;
}

Status PageTable::Empty(uint64_t address, uint64_t pages, bool preemptible) const {
  const uint64_t end = address + pages * kPageBytes;
  for (;;) {
    unsigned level;
    if (descriptor::Valid(*Find(address, level))) return Status::kOccupied;
    address = (address & ~(BytesAt(level) - 1)) + BytesAt(level);
    if (address >= end) return Status::kOk;
    if (preemptible && arch::InterruptPending()) return kRestart;
  }
}

Status PageTable::Map(Account& account, uint64_t address, uint64_t physical, uint64_t pages,
                      uint64_t attributes, uint64_t* done) {
  const uint64_t start = address;
  const uint64_t end = address + pages * kPageBytes;
  Status status = Empty(address, pages, done != nullptr);
  while (status == Status::kOk && address < end) {
    unsigned level;
    uint64_t* slot = Find(address, level);
    // Go down until a leaf of this level fits.
    while (level < kLevels &&
           (((address | physical) & (BytesAt(level) - 1)) != 0 || end - address < BytesAt(level))) {
      void* table = account.AllocatePage();
      if (table == nullptr) {
        status = Status::kNoMemory;
        break;
      }
      arch::DsbIshst();  // the zeroed table before the entry that leads to it
      Write(slot, descriptor::Table(PhysicalOf(table)));
      ++level;
      slot = &static_cast<uint64_t*>(table)[IndexAt(address, level)];
    }
    if (status != Status::kOk) break;
    Write(slot, descriptor::Leaf(physical, level, attributes));
    address += BytesAt(level);
    physical += BytesAt(level);
    if (done != nullptr && arch::InterruptPending()) break;
  }
  if (done != nullptr) *done = (address - start) / kPageBytes;
  __atomic_fetch_add(&page_table_additions, 2, __ATOMIC_RELEASE);
  // Invalid entries are not cached, so no TLBI; the barrier lets walks see the entries (D5.10.1).
  arch::DsbIshst();
  arch::Isb();
  return status;
}

Status PageTable::Split(Account& account, uint64_t* slot, unsigned level, uint64_t address) {
  auto* table = static_cast<uint64_t*>(account.AllocatePage());
  if (table == nullptr) return Status::kNoMemory;
  const uint64_t block = *slot;
  const uint64_t attributes = block & ~(descriptor::kAddressMask | 3);
  for (unsigned i = 0; i < kEntries; ++i) {
    table[i] = descriptor::Leaf(descriptor::Address(block) + i * BytesAt(level + 1), level + 1,
                                attributes);
  }
  // 1. Odd. 2. Break: invalid, but not 0. 3. Make. 4. Even.
  __atomic_fetch_add(&page_table_additions, 1, __ATOMIC_RELEASE);
  Write(slot, block & ~descriptor::kValid);
  arch::InvalidateTlb(context_, address & ~(BytesAt(level) - 1), BytesAt(level) / kPageBytes);
  Write(slot, descriptor::Table(PhysicalOf(table)));
  __atomic_fetch_add(&page_table_additions, 1, __ATOMIC_RELEASE);
  arch::DsbIshst();
  return Status::kOk;
}

Status PageTable::Unmap(Account& account, uint64_t address, uint64_t pages, uint64_t* done,
                        const uint64_t* physical) {
  const uint64_t start = address;
  const uint64_t end = address + pages * kPageBytes;
  Status status = Status::kOk;
  bool changed = false;
  do {
    unsigned level;
    uint64_t* slot = Find(address, level);
    const uint64_t bytes = BytesAt(level);
    const uint64_t first = address & ~(bytes - 1);
    const uint64_t entry = *slot;
    const bool matches = physical == nullptr || descriptor::Address(entry) + (address - first) ==
                                                    *physical + (address - start);
    if (descriptor::Valid(entry) && matches) {
      if (physical == nullptr && (address != first || end - address < bytes)) {
        status = Split(account, slot, level, address);
        if (status != Status::kOk) break;
        continue;
      }
      Write(slot, 0);
      changed = true;
    }
    address = first + bytes;
  } while (address < end && (done == nullptr || !arch::InterruptPending()));
  pages = ((address < end ? address : end) - start) / kPageBytes;
  if (changed) arch::InvalidateTlb(context_, start, pages);
  if (done != nullptr) *done = pages;
  return status;
}

void PageTable::Clear(Account& account) {
  // Hardware may be walking: entries become invalid first, keeping the address, and tables are
  // freed after the invalidation.
  for (unsigned i = 0; i < kEntries; ++i) Write(&root_[i], root_[i] & ~descriptor::kValid);
  arch::InvalidateTlbContext(context_);
  Quiesce();  // look-ups without the lock
  for (unsigned i = 0; i < kEntries; ++i) {
    const uint64_t entry = root_[i] | descriptor::kValid;
    root_[i] = 0;
    if (entry == descriptor::kValid || !descriptor::IsTable(entry, 1)) continue;
    uint64_t* middle = TableOf(entry);
    for (unsigned j = 0; j < kEntries; ++j) {
      if (descriptor::IsTable(middle[j], 2)) account.FreePage(TableOf(middle[j]));
    }
    account.FreePage(middle);
  }
}

}  // namespace pyrene
