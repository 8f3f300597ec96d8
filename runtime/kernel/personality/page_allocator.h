// SPDX-License-Identifier: Apache-2.0
//
// The pages of a service's heap: brk from the bottom, mmap from the top, one bitmap for both, which
// lies in the heap's own first pages. Free pages always read as zero, as Linux promises for
// anonymous memory, so a page is cleared when it is given back.
//
// Not thread-safe: the personality's lock is held around every call. Bounded: each call looks at
// each bitmap bit at most once.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene::personality {

inline constexpr size_t kPageBytes = 4096;

class PageAllocator {
 public:
  constexpr PageAllocator() = default;

  // Takes over `bytes` of zeroed memory at `base`, both multiples of a page. False if that leaves
  // no page beside the bitmap.
  bool Initialize(uintptr_t base, size_t bytes);

  // The highest free run of `pages`, aligned to `align` pages (a power of two). 0 if there is none
  // or `pages` is 0.
  uintptr_t Allocate(size_t pages, size_t align = 1);

  // Gives pages back that Allocate handed out; pages of the range that are free already stay so.
  // False, without effect, if the range is not aligned or not wholly between the break and the
  // heap's end.
  bool Free(uintptr_t address, size_t pages);

  // Clears the pages of a range of the heap, which stay allocated. False, without effect, as with
  // Free.
  bool Clear(uintptr_t address, size_t pages);

  uintptr_t Break() const { return break_; }

  // Moves the break if the pages in between are free; answers where the break is now.
  uintptr_t SetBreak(uintptr_t wanted);

  size_t FreePages() const { return free_; }

 private:
  bool Used(size_t page) const { return (bitmap_[page / 64] >> page % 64 & 1) != 0; }
  void Mark(size_t first, size_t pages, bool used);
  bool AllFree(size_t first, size_t pages) const;
  size_t PageOf(uintptr_t address) const { return (address - base_) / kPageBytes; }
  size_t BreakPage() const {
    return PageOf(break_ + kPageBytes - 1);
  }  // the first page above the break

  uintptr_t base_ = 0;
  size_t pages_ = 0;
  size_t free_ = 0;
  uintptr_t first_break_ = 0;
  uintptr_t break_ = 0;
  uint64_t* bitmap_ = nullptr;
};

}  // namespace pyrene::personality
