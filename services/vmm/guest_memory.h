// SPDX-License-Identifier: Apache-2.0
//
// The guest's physical memory as the VMM sees it: up to two banks of RAM, the magic pages (console
// and xenstore rings), and the frames of the VMM's own that the guest may map (shared_info, grant
// table).
//
// RAM pages can be absent: ballooned out, or replaced by another frame. The VMM keeps its mapping
// of them all the same, so a host pointer stays good as long as the guest lives; absence only says
// that guest addresses no longer name the page. The guest changes everything behind these pointers
// at any time: copy in once (guest_word.h), then use the copy.
//
// Look-ups are safe from any thread; presence is changed under the domain's memory lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "services/vmm/xen_interface.h"

namespace pyrene::vmm {

class GuestMemory {
 public:
  // Guest-physical address and host address of `bytes` of memory, all multiples of the page size.
  struct Region {
    uint64_t gpa = 0;
    uint64_t bytes = 0;
    std::byte* host = nullptr;
  };
  struct Frames {
    std::byte* shared_info = nullptr;  // one page
    std::byte* grant_table = nullptr;  // grant_frames pages
    uint32_t grant_frames = 0;
  };
  static constexpr unsigned kBanks = 2;

  // `bank1` may be empty.
  GuestMemory(Region bank0, Region bank1, Region magic, Frames frames);

  // Host address of `length` bytes at a guest-physical address; null unless all of them lie in one
  // page that is RAM and present, or a magic page.
  void* At(uint64_t gpa, uint64_t length) const {
    const uint64_t offset = gpa - banks_[0].region.gpa;
    if (offset < banks_[0].region.bytes && InOnePage(gpa, length)) [[likely]] {
      return Present(banks_[0], offset) ? banks_[0].region.host + offset : nullptr;
    }
    return AtSlow(gpa, length);
  }
  // The same for an address in bank 0 whose range is known to lie in one page. False: not there.
  bool InBank0(uint64_t gpa, const void** host) const {
    const uint64_t offset = gpa - banks_[0].region.gpa;
    if (offset >= banks_[0].region.bytes || !Present(banks_[0], offset)) return false;
    *host = banks_[0].region.host + offset;
    return true;
  }
  template <typename T>
  T* At(uint64_t gpa) const {
    return (gpa & (alignof(T) - 1)) == 0 ? static_cast<T*>(At(gpa, sizeof(T))) : nullptr;
  }

  // Host address of a range within one bank, present or not: for loading, before the guest runs.
  std::byte* Range(uint64_t gpa, uint64_t length) const;

  // A RAM page's host address; null if the frame is no RAM or absent.
  std::byte* RamPage(uint64_t gfn) const;
  // What may be granted: RAM that is present, and the magic pages.
  std::byte* GrantablePage(uint64_t gfn) const;
  // The frame belongs to a bank, present or not.
  bool InBank(uint64_t gfn) const;
  // Returns the former state. The frame must belong to a bank.
  bool SetPresent(uint64_t gfn, bool present);

  const Region& bank(unsigned index) const { return banks_[index].region; }
  const Region& magic() const { return magic_; }
  const Frames& frames() const { return frames_; }
  uint64_t total_pages() const;
  uint64_t present_pages() const { return present_pages_.load(std::memory_order_relaxed); }
  // First frame behind all RAM.
  uint64_t end_gfn() const;

 private:
  struct Bank {
    Region region;
    std::unique_ptr<std::atomic<uint64_t>[]> absent;  // bit per page
  };

  static bool InOnePage(uint64_t gpa, uint64_t length) {
    return (gpa & (xen::kPageSize - 1)) + length <= xen::kPageSize;
  }
  static bool Present(const Bank& bank, uint64_t offset) {
    const uint64_t page = offset >> xen::kPageShift;
    return (bank.absent[page / 64].load(std::memory_order_relaxed) >> (page % 64) & 1) == 0;
  }
  void* AtSlow(uint64_t gpa, uint64_t length) const;
  const Bank* BankOf(uint64_t gfn) const;

  Bank banks_[kBanks];
  Region magic_;
  Frames frames_;
  std::atomic<uint64_t> present_pages_{0};
};

}  // namespace pyrene::vmm
