// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "runtime/kernel/personality/page_allocator.h"

namespace pyrene::personality {
namespace {

class PageAllocatorTest : public testing::Test {
 protected:
  static constexpr size_t kPages = 300;

  PageAllocatorTest()
      : heap_(static_cast<uint8_t*>(std::aligned_alloc(kPageBytes, kPages * kPageBytes)),
              &std::free) {
    std::memset(heap_.get(), 0, kPages * kPageBytes);
    base_ = reinterpret_cast<uintptr_t>(heap_.get());
    EXPECT_TRUE(allocator_.Initialize(base_, kPages * kPageBytes));
  }

  static void Dirty(uintptr_t address, size_t pages) {
    std::memset(reinterpret_cast<void*>(address), 0xa5, pages * kPageBytes);
  }
  static bool Zero(uintptr_t address, size_t bytes) {
    const uint8_t* p = reinterpret_cast<uint8_t*>(address);
    for (size_t i = 0; i < bytes; ++i) {
      if (p[i] != 0) return false;
    }
    return true;
  }

  std::unique_ptr<uint8_t, decltype(&std::free)> heap_;
  uintptr_t base_;
  PageAllocator allocator_;
};

TEST_F(PageAllocatorTest, RefusesAHeapWithoutRoomOrAlignment) {
  PageAllocator other;
  EXPECT_FALSE(other.Initialize(base_, 0));
  EXPECT_FALSE(other.Initialize(base_, kPageBytes));
  EXPECT_FALSE(other.Initialize(base_ + 8, 2 * kPageBytes));
  EXPECT_FALSE(other.Initialize(base_, 2 * kPageBytes + 1));
}

TEST_F(PageAllocatorTest, GivesEveryPageOnceAndThenNone) {
  EXPECT_EQ(allocator_.FreePages(), kPages - 1);
  std::vector<uintptr_t> pages;
  while (const uintptr_t page = allocator_.Allocate(1)) {
    Dirty(page, 1);
    pages.push_back(page);
  }
  EXPECT_EQ(pages.size(), kPages - 1);
  EXPECT_EQ(allocator_.FreePages(), 0u);
  EXPECT_EQ(allocator_.SetBreak(allocator_.Break() + 1), allocator_.Break());
  for (const uintptr_t page : pages) EXPECT_TRUE(allocator_.Free(page, 1));
  EXPECT_EQ(allocator_.Allocate(kPages - 1), base_ + kPageBytes);
  EXPECT_TRUE(Zero(base_ + kPageBytes, (kPages - 1) * kPageBytes));
}

TEST_F(PageAllocatorTest, RefusesImpossibleRequests) {
  EXPECT_EQ(allocator_.Allocate(0), 0u);
  EXPECT_EQ(allocator_.Allocate(kPages), 0u);
  EXPECT_EQ(allocator_.Allocate(~size_t{0}), 0u);
  const uintptr_t page = allocator_.Allocate(1);
  EXPECT_FALSE(allocator_.Free(page + 1, 1));
  EXPECT_FALSE(allocator_.Free(page, ~size_t{0}));
  EXPECT_FALSE(allocator_.Free(page, kPages));
  EXPECT_FALSE(allocator_.Free(base_ - kPageBytes, 1));
  EXPECT_FALSE(allocator_.Free(base_, 1)) << "the bitmap's own page";
  EXPECT_TRUE(allocator_.Free(page, 1));
  EXPECT_TRUE(allocator_.Free(page, 1)) << "Linux's munmap accepts what is not mapped";
  EXPECT_EQ(allocator_.FreePages(), kPages - 1);
}

TEST_F(PageAllocatorTest, AlignsByAddress) {
  allocator_.Allocate(1);
  for (size_t align : {1, 2, 4, 16, 64}) {
    const uintptr_t run = allocator_.Allocate(2, align);
    ASSERT_NE(run, 0u);
    EXPECT_EQ(run % (align * kPageBytes), 0u);
  }
}

TEST_F(PageAllocatorTest, BreakMovesOnlyThroughFreePages) {
  const uintptr_t first = allocator_.Break();
  EXPECT_EQ(allocator_.SetBreak(0), first);
  EXPECT_EQ(allocator_.SetBreak(first + 10), first + 10);
  std::memset(reinterpret_cast<void*>(first), 1, 10);
  EXPECT_EQ(allocator_.SetBreak(first + 5), first + 5);
  EXPECT_EQ(allocator_.SetBreak(first + 3 * kPageBytes), first + 3 * kPageBytes);
  EXPECT_TRUE(Zero(first + 5, 3 * kPageBytes - 5));
  EXPECT_FALSE(allocator_.Free(first, 1)) << "below the break";

  const uintptr_t rest = allocator_.Allocate(allocator_.FreePages());
  ASSERT_EQ(rest, first + 3 * kPageBytes);
  EXPECT_EQ(allocator_.SetBreak(first + 3 * kPageBytes + 1), first + 3 * kPageBytes);
  Dirty(first, 3);
  EXPECT_EQ(allocator_.SetBreak(first), first);
  EXPECT_EQ(allocator_.SetBreak(first + 3 * kPageBytes), first + 3 * kPageBytes);
  EXPECT_TRUE(Zero(first, 3 * kPageBytes));
  EXPECT_EQ(allocator_.SetBreak(base_ + (kPages + 1) * kPageBytes), first + 3 * kPageBytes);
}

TEST_F(PageAllocatorTest, ClearZeroesAllocatedPagesOnly) {
  const uintptr_t run = allocator_.Allocate(3);
  Dirty(run, 3);
  EXPECT_TRUE(allocator_.Clear(run + kPageBytes, 1));
  EXPECT_FALSE(Zero(run, 1));
  EXPECT_TRUE(Zero(run + kPageBytes, kPageBytes));
  EXPECT_FALSE(Zero(run + 2 * kPageBytes, 1));
}

// Against a plain model: no page is given twice, what is free reads as zero, a request fails only
// if no run is long enough.
TEST_F(PageAllocatorTest, RandomOperationsAgreeWithAModel) {
  const char* const rounds = std::getenv("PYRENE_ROUNDS");
  const int count = rounds != nullptr ? std::atoi(rounds) : 20000;
  std::mt19937 random(1);
  std::vector<bool> used(kPages, false);
  used[0] = true;
  size_t break_page = 1;
  for (int i = 0; i < count; ++i) {
    const size_t pages = 1 + random() % 9;
    switch (random() % 4) {
      case 0:
      case 1: {
        size_t longest = 0;
        for (size_t p = break_page, run = 0; p < kPages; ++p) {
          run = used[p] ? 0 : run + 1;
          longest = std::max(longest, run);
        }
        const uintptr_t run = allocator_.Allocate(pages);
        ASSERT_EQ(run != 0, longest >= pages);
        if (run == 0) break;
        ASSERT_TRUE(Zero(run, pages * kPageBytes));
        for (size_t p = (run - base_) / kPageBytes, n = 0; n < pages; ++n) {
          ASSERT_FALSE(used[p + n]);
          used[p + n] = true;
        }
        Dirty(run, pages);
        break;
      }
      case 2: {
        const size_t first = random() % kPages;
        const bool valid = first >= break_page && first + pages <= kPages;
        ASSERT_EQ(allocator_.Free(base_ + first * kPageBytes, pages), valid);
        for (size_t n = 0; valid && n < pages; ++n) used[first + n] = false;
        break;
      }
      default: {
        const size_t wanted = 1 + random() % 40;
        bool possible = true;
        for (size_t p = break_page; p < wanted; ++p) possible = possible && !used[p];
        const uintptr_t now = allocator_.SetBreak(base_ + wanted * kPageBytes);
        ASSERT_EQ(now, base_ + (possible ? wanted : break_page) * kPageBytes);
        if (!possible) break;
        for (size_t p = 1; p < std::max(wanted, break_page); ++p) used[p] = p < wanted;
        if (wanted > break_page) {
          ASSERT_TRUE(Zero(base_ + break_page * kPageBytes, (wanted - break_page) * kPageBytes));
          Dirty(base_ + break_page * kPageBytes, wanted - break_page);
        }
        break_page = wanted;
        break;
      }
    }
    ASSERT_EQ(allocator_.FreePages(),
              static_cast<size_t>(std::count(used.begin(), used.end(), false)));
  }
}

}  // namespace
}  // namespace pyrene::personality
