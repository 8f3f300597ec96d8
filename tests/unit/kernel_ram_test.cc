// SPDX-License-Identifier: Apache-2.0
#include <random>
#include <set>

#include "gtest/gtest.h"
#include "kernel/boot/ram.h"
#include "kernel/memory/layout.h"
#include "tests/unit/kernel_test_util.h"

namespace pyrene {
namespace {

std::set<uint64_t> Pages(const BootRam& ram) {
  std::set<uint64_t> pages;
  for (unsigned i = 0; i < ram.free().count; ++i) {
    const PhysicalRange& range = ram.free().item[i];
    EXPECT_EQ(range.base % kPageBytes, 0u);
    EXPECT_EQ(range.bytes % kPageBytes, 0u);
    for (uint64_t at = range.base; at < range.end(); at += kPageBytes)
      EXPECT_TRUE(pages.insert(at / kPageBytes).second) << "twice";
  }
  return pages;
}

TEST(KernelRam, WholePagesOnly) {
  BootRam ram;
  ASSERT_TRUE(ram.Add({0x1800, 0x3000}));
  EXPECT_EQ(Pages(ram), (std::set<uint64_t>{2, 3}));
  ASSERT_TRUE(ram.Add({0x10000, 0xfff}));
  EXPECT_EQ(Pages(ram).size(), 2u) << "less than a page is nothing";
}

TEST(KernelRam, ReserveCutsOutwards) {
  BootRam ram;
  ASSERT_TRUE(ram.Add({0, 0x10000}));
  ASSERT_TRUE(ram.Reserve(0x4fff, 2));
  EXPECT_EQ(Pages(ram), (std::set<uint64_t>{0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
  ASSERT_TRUE(ram.Reserve(0, 0x2000));
  ASSERT_TRUE(ram.Reserve(0xf000, 0x5000));
  EXPECT_EQ(Pages(ram), (std::set<uint64_t>{2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14}));
  ASSERT_TRUE(ram.Reserve(0, 0x20000));
  EXPECT_TRUE(Pages(ram).empty());
}

TEST(KernelRam, ReserveOutsideOrOfNothingTakesNothing) {
  BootRam ram;
  ASSERT_TRUE(ram.Add({0x10000, 0x10000}));
  ASSERT_TRUE(ram.Reserve(0x20000, 0x1000));
  ASSERT_TRUE(ram.Reserve(0, 0x10000));
  ASSERT_TRUE(ram.Reserve(0x18000, 0));
  EXPECT_EQ(Pages(ram).size(), 16u);
}

TEST(KernelRam, AllocatesFromTheTop) {
  BootRam ram;
  ASSERT_TRUE(ram.Add({0x100000, 0x100000}));
  ASSERT_TRUE(ram.Add({0x800000, 0x8000}));
  EXPECT_EQ(ram.Allocate(0x2000, kPageBytes), 0x806000u);
  EXPECT_EQ(ram.Allocate(0x8000, kPageBytes), 0x1f8000u) << "the upper range is too small by now";
  EXPECT_EQ(ram.Allocate(0x1000, 0x10000), 0x800000u);
  EXPECT_EQ(ram.Allocate(0x1000000, kPageBytes), 0u);
}

TEST(KernelRam, TooManyPieces) {
  BootRam ram;
  ASSERT_TRUE(ram.Add({0, 0x1000000}));
  bool ok = true;
  unsigned cuts = 0;
  while (ok && cuts < 100) ok = ram.Reserve(0x1000 + uint64_t{cuts++} * 0x4000, 0x1000);
  EXPECT_FALSE(ok) << "is said, not lost";
  EXPECT_GE(cuts, 30u);
}

TEST(KernelRam, RandomAgainstSetOfPages) {
  std::mt19937_64 random(kernel_test::Seed());
  for (uint64_t round = 0; round < kernel_test::Rounds(500); ++round) {
    BootRam ram;
    std::set<uint64_t> model;
    ASSERT_TRUE(ram.Add({0x1000, 0x100000}));
    ASSERT_TRUE(ram.Add({0x400000, 0x80000}));
    model = Pages(ram);
    for (int i = 0; i < 20; ++i) {
      if (random() % 2 == 0) {
        const uint64_t base = random() % 0x500000;
        const uint64_t bytes = random() % 0x20000 + 1;
        ASSERT_TRUE(ram.Reserve(base, bytes));
        for (uint64_t page = base / kPageBytes; page * kPageBytes < base + bytes; ++page)
          model.erase(page);
      } else {
        const uint64_t bytes = (1 + random() % 8) * kPageBytes;
        const uint64_t alignment = kPageBytes << random() % 5;
        const uint64_t at = ram.Allocate(bytes, alignment);
        if (at == 0) continue;
        ASSERT_EQ(at % alignment, 0u);
        for (uint64_t page = at / kPageBytes; page * kPageBytes < at + bytes; ++page)
          ASSERT_EQ(model.erase(page), 1u);
      }
      ASSERT_EQ(Pages(ram), model);
    }
  }
}

}  // namespace
}  // namespace pyrene
