// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/personality/page_allocator.h"

namespace pyrene::personality {
namespace {

// Not memset: that uses SIMD registers, which belong to the interrupted code.
void ClearPages(uintptr_t address, size_t pages) {
  uint64_t* word = reinterpret_cast<uint64_t*>(address);
  uint64_t* const end = word + pages * kPageBytes / sizeof(uint64_t);
  for (; word != end; word += 4) {
    word[0] = 0;
    word[1] = 0;
    word[2] = 0;
    word[3] = 0;
  }
}

}  // namespace

bool PageAllocator::Initialize(uintptr_t base, size_t bytes) {
  if (base % kPageBytes != 0 || bytes % kPageBytes != 0) return false;
  const size_t pages = bytes / kPageBytes;
  const size_t bitmap_pages = (pages + 8 * kPageBytes - 1) / (8 * kPageBytes);
  if (pages <= bitmap_pages) return false;
  base_ = base;
  pages_ = pages;
  free_ = pages;
  bitmap_ = reinterpret_cast<uint64_t*>(base);
  Mark(0, bitmap_pages, true);
  first_break_ = base + bitmap_pages * kPageBytes;
  break_ = first_break_;
  return true;
}

uintptr_t PageAllocator::Allocate(size_t pages, size_t align) {
  if (pages == 0 || pages > free_) return 0;
  // Downwards; `run` counts the free pages from `page` upwards without a gap.
  const size_t floor = BreakPage();
  size_t run = 0;
  for (size_t page = pages_; page > floor;) {
    if (page % 64 == 0 && page >= 64 && page - 64 >= floor && ~bitmap_[page / 64 - 1] == 0) {
      page -= 64;
      run = 0;
      continue;
    }
    --page;
    run = Used(page) ? 0 : run + 1;
    if (run >= pages && (base_ / kPageBytes + page) % align == 0) {
      Mark(page, pages, true);
      return base_ + page * kPageBytes;
    }
  }
  return 0;
}

bool PageAllocator::Free(uintptr_t address, size_t pages) {
  if (!Clear(address, pages)) return false;
  Mark(PageOf(address), pages, false);
  return true;
}

bool PageAllocator::Clear(uintptr_t address, size_t pages) {
  if (address % kPageBytes != 0 || address < base_) return false;
  const size_t first = PageOf(address);
  if (first < BreakPage() || first > pages_ || pages > pages_ - first) return false;
  for (size_t page = first; page < first + pages; ++page) {
    if (Used(page)) ClearPages(base_ + page * kPageBytes, 1);
  }
  return true;
}

uintptr_t PageAllocator::SetBreak(uintptr_t wanted) {
  if (wanted < first_break_ || wanted > base_ + pages_ * kPageBytes) return break_;
  const size_t now = BreakPage();
  const size_t then = PageOf(wanted + kPageBytes - 1);
  if (then > now) {
    if (!AllFree(now, then - now)) return break_;
    Mark(now, then - now, true);
  } else {
    ClearPages(base_ + then * kPageBytes, now - then);
    Mark(then, now - then, false);
  }
  // What lies above the break in its own page must be zero when the break comes back.
  for (uintptr_t byte = wanted; byte < break_ && byte % kPageBytes != 0; ++byte) {
    *reinterpret_cast<volatile uint8_t*>(byte) = 0;
  }
  break_ = wanted;
  return break_;
}

void PageAllocator::Mark(size_t first, size_t pages, bool used) {
  for (size_t page = first; page < first + pages; ++page) {
    const uint64_t bit = uint64_t{1} << page % 64;
    if (((bitmap_[page / 64] & bit) != 0) == used) continue;
    bitmap_[page / 64] ^= bit;
    free_ += used ? size_t{0} - 1 : 1;
  }
}

bool PageAllocator::AllFree(size_t first, size_t pages) const {
  for (size_t page = first; page < first + pages; ++page) {
    if (Used(page)) return false;
  }
  return true;
}

}  // namespace pyrene::personality
