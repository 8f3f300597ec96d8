// SPDX-License-Identifier: Apache-2.0
//
// A three-level table over 39-bit addresses, 4 KiB granule: a domain's stage 2, or stage 1 of EL2.
// Uses 2 MiB and 1 GiB blocks where alignment allows; splits a block by break-before-make (DDI
// 0487, D5.10.1) when a part of it is unmapped.
//
// All operations are made under the structure lock; hardware walks the table at the same time.
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/memory/account.h"

namespace pyrene {

// Counts what made addresses reachable, in any table; odd while a block is split, when what is
// mapped can not be reached for a moment (break-before-make). A CPU that found an address unmapped
// at an even count need not look again while the count stays.
inline uint32_t page_table_additions = 0;

class PageTable final {
 public:
  static constexpr uint64_t kAddressBits = 39;
  static constexpr uint64_t kAddressLimit = uint64_t{1} << kAddressBits;

  // `root` is a zeroed page. `context` is what arch::InvalidateTlb takes.
  PageTable(uint64_t* root, uint64_t context) : root_(root), context_(context) {}
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;

  // With `done` these two stop after a leaf when an interrupt is pending, and with every other
  // result too it becomes the number of pages that are done; the caller goes on behind them later.

  // Maps [address, +pages) to [physical, +pages), both page aligned. kOccupied if any of it is
  // mapped. kNoMemory when `account` cannot pay for a table: what was mapped before, and tables
  // that were added, stay. kRestart: interrupted before anything was done.
  Status Map(Account& account, uint64_t address, uint64_t physical, uint64_t pages,
             uint64_t attributes, uint64_t* done = nullptr);

  // Unmaps what is mapped of [address, +pages). kNoMemory when a block had to be split and could
  // not; then what lies before it is unmapped. With `physical`: only leaves that lead to the
  // matching page of [*physical, +pages); needs no memory if the range is one that Map was given.
  Status Unmap(Account& account, uint64_t address, uint64_t pages, uint64_t* done = nullptr,
               const uint64_t* physical = nullptr);

  struct Leaf {
    uint64_t entry;  // 0: not mapped
    unsigned level;
  };
  Leaf Lookup(uint64_t address) const;  // 0 beyond kAddressLimit
  // kOccupied if anything is mapped in [address, +pages). kRestart: an interrupt is pending.
  Status Empty(uint64_t address, uint64_t pages, bool preemptible) const;
  // Whether there is a leaf, or a block that is just being split. No lock.
  bool Maps(uint64_t address) const;

  // Unmaps everything and frees all tables but the root. A stage-2 table only.
  void Clear(Account& account);

 private:
  static constexpr unsigned kLevels = 3;
  static constexpr unsigned kEntries = 512;
  static constexpr uint64_t BytesAt(unsigned level) {
    return uint64_t{1} << (12 + 9 * (3 - level));
  }
  static unsigned IndexAt(uint64_t address, unsigned level) {
    return static_cast<unsigned>(address >> (12 + 9 * (3 - level))) & (kEntries - 1);
  }
  static uint64_t* TableOf(uint64_t entry);
  static void Write(uint64_t* slot, uint64_t entry);

  // The slot that holds the leaf, or the invalid entry, for `address`; its level in `level`.
  uint64_t* Find(uint64_t address, unsigned& level) const;
  Status Split(Account& account, uint64_t* slot, unsigned level, uint64_t address);

  uint64_t* root_;
  uint64_t context_;
};

}  // namespace pyrene
