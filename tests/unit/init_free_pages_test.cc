// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "services/init/free_pages.h"

namespace pyrene::init {
namespace {

constexpr uint64_t kBlock = FreePages::kBlockPages;

FreePages TwoSources() {
  FreePages free(64);
  free.Add({kBlock + 7, 10 * kBlock, 0});
  free.Add({100 * kBlock, 3 * kBlock + 5, 1});
  return free;
}

TEST(FreePagesTest, SmallPiecesComeFromTheSmallestRangeThatFits) {
  FreePages free = TwoSources();
  const auto piece = free.Allocate(4);
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(*piece, (PageRange{103 * kBlock + 1, 4, 1}));  // from its end
  EXPECT_EQ(free.free_pages(), 13 * kBlock + 1);
}

TEST(FreePagesTest, AlignmentAndLimitAreKept) {
  FreePages free = TwoSources();
  const auto aligned = free.Allocate(3, 64);
  ASSERT_TRUE(aligned.has_value());
  EXPECT_EQ(aligned->first % 64, 0u);
  const auto low = free.Allocate(3, 1, 20 * kBlock);
  ASSERT_TRUE(low.has_value());
  EXPECT_LE(low->end(), 20 * kBlock);
  EXPECT_FALSE(free.Allocate(3, 1, kBlock + 9).has_value());
  EXPECT_FALSE(free.Allocate(0).has_value());
  EXPECT_FALSE(free.Allocate(11 * kBlock).has_value());
}

TEST(FreePagesTest, NeighboursOfOneSourceAreJoinedThoseOfTwoAreNot) {
  FreePages free(8);
  free.Add({0, 8, 0});
  free.Add({8, 8, 1});
  ASSERT_EQ(free.extents().size(), 2u);
  EXPECT_FALSE(free.Allocate(9).has_value());
  const auto all = free.Allocate(8);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(free.extents().size(), 1u);
  free.Free(*all);
  EXPECT_EQ(free.extents().size(), 2u);
  EXPECT_EQ(free.free_pages(), 16u);
}

TEST(FreePagesTest, AGuestGetsAlignedBlocksFirstAndOddRestsLast) {
  FreePages free = TwoSources();
  const auto one = free.AllocateGuest(9 * kBlock);
  ASSERT_TRUE(one.ok());
  ASSERT_EQ(one->size(), 1u);
  EXPECT_EQ((*one)[0], (PageRange{2 * kBlock, 9 * kBlock, 0}));
  for (const PageRange& piece : *one) free.Free(piece);

  const auto all = free.AllocateGuest(13 * kBlock + 5);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(free.free_pages(), 0u);
  bool odd = false;
  uint64_t pages = 0;
  for (const PageRange& piece : *all) {
    const bool blocks = piece.first % kBlock == 0 && piece.pages % kBlock == 0;
    EXPECT_FALSE(odd && blocks) << "a block-aligned piece behind an odd one";
    odd = odd || !blocks;
    pages += piece.pages;
  }
  EXPECT_EQ(pages, 13 * kBlock + 5);
}

TEST(FreePagesTest, TooMuchIsRefusedWithNumbersAndTakesNothing) {
  FreePages free = TwoSources();
  const std::vector<PageRange> before = free.extents();
  const auto refused = free.AllocateGuest(14 * kBlock);
  EXPECT_EQ(refused.status().message(), "not enough memory: 28672 KiB wanted, 26644 KiB free");
  EXPECT_EQ(free.extents(), before);
}

TEST(FreePagesTest, TooManyPiecesAreRefused) {
  FreePages free(64);
  for (uint32_t i = 0; i < 12; ++i) free.Add({i * 100, 10, 0});
  EXPECT_EQ(free.LargestGuest(), 80u);
  const std::vector<PageRange> before = free.extents();
  const auto refused = free.AllocateGuest(81);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_NE(refused.status().message().find("8 pieces hold 320 KiB"), absl::string_view::npos);
  EXPECT_EQ(free.extents(), before);
  EXPECT_TRUE(free.AllocateGuest(80).ok());
}

TEST(FreePagesTest, WhatLargestGuestPromisesCanBeHad) {
  FreePages free = TwoSources();
  ASSERT_TRUE(free.Allocate(3).has_value());
  const uint64_t most = free.LargestGuest();
  EXPECT_EQ(most, free.free_pages());
  EXPECT_TRUE(free.AllocateGuest(most).ok());
}

// Against a map of single pages: nothing is given out twice, and what comes back is all that was.
TEST(FreePagesTest, RandomUseIsExact) {
  const char* const text = std::getenv("PYRENE_ROUNDS");
  const int rounds = text == nullptr ? 20000 : std::atoi(text);
  std::mt19937 random(7);
  const auto below = [&random](uint64_t n) { return random() % n; };
  FreePages free = TwoSources();
  const std::vector<PageRange> whole = free.extents();
  const uint64_t total = free.free_pages();
  std::vector<bool> used(104 * kBlock);
  std::vector<PageRange> held;
  const auto take = [&](const PageRange& range) {
    for (uint64_t page = range.first; page < range.end(); ++page) {
      ASSERT_FALSE(used[page]);
      used[page] = true;
    }
    held.push_back(range);
  };
  uint64_t held_pages = 0;
  for (int round = 0; round < rounds; ++round) {
    if (!held.empty() && (held.size() > 40 || below(2) == 0)) {
      const size_t at = below(held.size());
      for (uint64_t page = held[at].first; page < held[at].end(); ++page) used[page] = false;
      held_pages -= held[at].pages;
      free.Free(held[at]);
      held[at] = held.back();
      held.pop_back();
    } else if (below(4) == 0) {
      const auto guest = free.AllocateGuest(1 + below(4 * kBlock));
      if (guest.ok()) {
        for (const PageRange& piece : *guest) {
          held_pages += piece.pages;
          take(piece);
        }
      }
    } else if (const auto piece = free.Allocate(1 + below(40), uint64_t{1} << below(6))) {
      held_pages += piece->pages;
      take(*piece);
    }
    ASSERT_EQ(free.free_pages() + held_pages, total);
    ASSERT_LE(free.extents().size(), held.size() + 2);
  }
  for (const PageRange& range : held) free.Free(range);
  EXPECT_EQ(free.extents(), whole);
}

}  // namespace
}  // namespace pyrene::init
