// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "services/init/symbols.h"

namespace pyrene::init {
namespace {

constexpr char kTable[] =
    "0000000000400100 first\n"
    "0000000000400200 pyrene::Second\n"
    "0000000000400200 alias\n"
    "0000000000400f00 last one\n";

TEST(SymbolsTest, FindsTheFunctionThatHoldsAnAddress) {
  EXPECT_EQ(DescribeAddress(kTable, 0x400100), "0x400100 (first+0x0)");
  EXPECT_EQ(DescribeAddress(kTable, 0x4001ff), "0x4001ff (first+0xff)");
  EXPECT_EQ(DescribeAddress(kTable, 0x400f10), "0x400f10 (last one+0x10)");
  EXPECT_EQ(DescribeAddress(kTable, ~uint64_t{0}),
            "0xffffffffffffffff (last one+0xffffffffffbff0ff)");
}

TEST(SymbolsTest, BelowTheFirstThereIsNoName) {
  EXPECT_EQ(DescribeAddress(kTable, 0x4000ff), "0x4000ff");
  EXPECT_EQ(DescribeAddress(kTable, 0), "0x0");
}

TEST(SymbolsTest, ATableThatMakesNoSenseGivesTheAddressAlone) {
  EXPECT_EQ(DescribeAddress("", 0x42), "0x42");
  EXPECT_EQ(DescribeAddress("\n\n\n", 0x42), "0x42");
  EXPECT_EQ(DescribeAddress("no addresses here at all", 0x42), "0x42");
  EXPECT_EQ(DescribeAddress("00000000004001", 0x42), "0x42");
}

TEST(SymbolsTest, EveryLineOfALargeTableIsFound) {
  std::string table;
  char line[64];
  for (unsigned i = 0; i < 1000; ++i) {
    snprintf(line, sizeof(line), "%016x %s%u\n", 0x400000 + i * 16,
             i % 7 == 0 ? "a_longer_name_" : "f", i);
    table += line;
  }
  for (unsigned i = 0; i < 1000; ++i) {
    snprintf(line, sizeof(line), "0x%x (%s%u+0x3)", 0x400003 + i * 16,
             i % 7 == 0 ? "a_longer_name_" : "f", i);
    ASSERT_EQ(DescribeAddress(table, 0x400003 + i * 16), line);
  }
}

}  // namespace
}  // namespace pyrene::init
