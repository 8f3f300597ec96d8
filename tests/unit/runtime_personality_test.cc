// SPDX-License-Identifier: Apache-2.0
//
// The personality's smaller portable parts: randomness, the initial stack, time arithmetic,
// capability indices.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/personality/initial_stack.h"
#include "runtime/kernel/personality/random.h"
#include "runtime/time_math.h"

namespace pyrene::personality {

using runtime::CapAllocator;
namespace {

TEST(ChaCha20, Rfc8439Section232) {
  uint32_t key[8];
  for (uint32_t i = 0; i < 8; ++i) key[i] = 0x03020100 + i * 0x04040404;
  const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0x00000000};
  uint8_t out[64];
  ChaCha20Block(key, 1, nonce, out);
  const uint8_t expected[64] = {0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd,
                                0x1f, 0xa3, 0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0,
                                0x68, 0x03, 0x04, 0x22, 0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2,
                                0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa, 0x09, 0x14, 0xc2, 0xd7, 0x05,
                                0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1, 0xde, 0x16, 0x4e,
                                0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
  EXPECT_EQ(std::memcmp(out, expected, sizeof(out)), 0);
}

std::string Generate(RandomGenerator& random, size_t n) {
  std::string bytes(n, '\0');
  random.Generate(bytes.data(), n);
  return bytes;
}

TEST(RandomGenerator, SameSeedSameOutputAndNeverTheSameTwice) {
  RandomGenerator a, b;
  a.Stir("seed", 4);
  b.Stir("seed", 4);
  const std::string first = Generate(a, 200);
  EXPECT_EQ(first, Generate(b, 200));
  EXPECT_NE(first, Generate(a, 200));
  b.Stir("x", 1);
  EXPECT_NE(Generate(a, 32), Generate(b, 32));
}

TEST(RandomGenerator, EveryByteOfALongSeedCounts) {
  std::set<std::string> outputs;
  for (size_t i = 0; i < 100; ++i) {
    std::string seed(100, 's');
    seed[i] = 't';
    RandomGenerator random;
    random.Stir(seed.data(), seed.size());
    outputs.insert(Generate(random, 16));
  }
  EXPECT_EQ(outputs.size(), 100u);
}

class InitialStackTest : public testing::Test {
 protected:
  // The vector as main()'s C library reads it.
  void Build(const std::string& arguments, uint32_t count) {
    facts_.name = "service";
    facts_.arguments = arguments.data();
    facts_.argument_count = count;
    facts_.argument_bytes = static_cast<uint32_t>(arguments.size());
    facts_.environment = "A=b";
    facts_.program_headers = 0x400040;
    facts_.program_header_count = 5;
    facts_.entry = 0x400100;
    for (uint8_t i = 0; i < 16; ++i) facts_.random[i] = i;
    const uintptr_t top = reinterpret_cast<uintptr_t>(stack_ + sizeof(stack_));
    const uintptr_t sp = BuildInitialStack(top, facts_);
    ASSERT_EQ(sp % 16, 0u);
    ASSERT_GE(sp, top - kInitialStackBytes);
    const uint64_t* word = reinterpret_cast<uint64_t*>(sp);
    const uint64_t argc = *word++;
    for (uint64_t i = 0; i < argc; ++i)
      arguments_.emplace_back(reinterpret_cast<const char*>(*word++));
    ASSERT_EQ(*word++, 0u);
    while (*word != 0) environment_.emplace_back(reinterpret_cast<const char*>(*word++));
    ++word;
    for (; word[0] != 0; word += 2) {
      ASSERT_LT(word[0], 64u);
      auxiliary_[word[0]] = word[1];
    }
    EXPECT_LE(reinterpret_cast<uintptr_t>(word + 2), top - 16);
  }

  alignas(16) uint8_t stack_[2048];
  InitialStack facts_ = {};
  std::vector<std::string> arguments_, environment_;
  uint64_t auxiliary_[64] = {};
};

TEST_F(InitialStackTest, NameAlone) {
  Build("", 0);
  EXPECT_EQ(arguments_, (std::vector<std::string>{"service"}));
  EXPECT_EQ(environment_, (std::vector<std::string>{"A=b"}));
  EXPECT_EQ(auxiliary_[3], 0x400040u);
  EXPECT_EQ(auxiliary_[5], 5u);
  EXPECT_EQ(auxiliary_[6], 4096u);
  EXPECT_EQ(auxiliary_[16], 3u);
  EXPECT_EQ(std::memcmp(reinterpret_cast<void*>(auxiliary_[25]), facts_.random, 16), 0);
}

TEST_F(InitialStackTest, Arguments) {
  Build(std::string("one\0two words\0\0", 15), 3);
  EXPECT_EQ(arguments_, (std::vector<std::string>{"service", "one", "two words", ""}));
}

TEST_F(InitialStackTest, BadArgumentAreaIsCutOff) {
  Build("not terminated", 3);
  EXPECT_EQ(arguments_.size(), 1u);
}

TEST_F(InitialStackTest, TooManyArgumentsAreCutOff) {
  Build(std::string(1000, '\0'), 1000);
  EXPECT_EQ(arguments_.size(), 1 + StartInfo::kMaxArguments);
}

TEST(TimeMath, ConvertsWithoutOverflow) {
  constexpr uint64_t kHz = 62'500'000;
  EXPECT_EQ(TicksToNanoseconds(0, kHz), 0u);
  EXPECT_EQ(TicksToNanoseconds(1, kHz), 16u);
  EXPECT_EQ(TicksToNanoseconds(kHz * 1'000'000'000, kHz), 1'000'000'000'000'000'000u);
  // What is beyond never comes: a deadline there must not lie in the past.
  EXPECT_EQ(TicksToNanoseconds(~uint64_t{0} / 16 + 1, kHz), ~uint64_t{0});
  EXPECT_EQ(TicksToNanoseconds(~uint64_t{0} - 1, kHz), ~uint64_t{0});
  EXPECT_EQ(NanosecondsToTicks(16, kHz), 1u);
  EXPECT_EQ(NanosecondsToTicks(17, kHz), 2u) << "a wait is never short";
  EXPECT_EQ(NanosecondsToTicks(~uint64_t{0}, 1'000'000'000'000), ~uint64_t{0} - 1);
  for (const uint64_t hz : {1u, 54'000'000u, 62'500'000u, 1'000'000'000u}) {
    for (const uint64_t ticks : {0ull, 1ull, 999'999'999ull, 1ull << 32, 1ull << 33}) {
      EXPECT_GE(NanosecondsToTicks(TicksToNanoseconds(ticks, hz), hz) + 1, ticks);
      EXPECT_LE(NanosecondsToTicks(TicksToNanoseconds(ticks, hz), hz), ticks);
    }
  }
}

TEST(CapAllocator, GivesEachIndexOnce) {
  CapAllocator caps;
  caps.Initialize(100);
  EXPECT_FALSE(caps.Take(99));
  EXPECT_TRUE(caps.Take(101));
  EXPECT_FALSE(caps.Take(101));
  std::set<CapIndex> seen;
  while (const CapIndex index = caps.Allocate()) EXPECT_TRUE(seen.insert(index).second);
  EXPECT_EQ(seen.size(), kMaxCaps - 101);
  EXPECT_EQ(*seen.begin(), 100u);
  EXPECT_FALSE(seen.contains(101));
  caps.Free(kNullCap);
  caps.Free(kMaxCaps);
  EXPECT_EQ(caps.Allocate(), kNullCap);
  caps.Free(500);
  EXPECT_EQ(caps.Allocate(), 500u);
}

TEST(CapAllocator, StaysBelowItsEnd) {
  CapAllocator caps;
  caps.Initialize(60, 130);
  for (CapIndex expected = 60; expected < 130; ++expected) EXPECT_EQ(caps.Allocate(), expected);
  EXPECT_EQ(caps.Allocate(), kNullCap);
  caps.Free(59);
  caps.Free(130);
  EXPECT_EQ(caps.Allocate(), kNullCap) << "others' indices do not become its own";
  EXPECT_FALSE(caps.Take(59));
}

TEST(CapAllocator, ZeroIsNeverGiven) {
  CapAllocator caps;
  caps.Initialize(0);
  EXPECT_EQ(caps.Allocate(), 1u);
}

TEST(CapAllocator, ThreadsShareIt) {
  auto caps = std::make_unique<CapAllocator>();
  caps->Initialize(kFirstFreeCap);
  std::vector<CapIndex> taken[4];
  std::vector<std::thread> threads;
  for (auto& mine : taken) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        const CapIndex index = caps->Allocate();
        if (i % 50 == 0) {
          mine.push_back(index);
        } else {
          caps->Free(index);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<CapIndex> all;
  for (const auto& mine : taken) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 400u);
  EXPECT_FALSE(all.contains(kNullCap));
}

}  // namespace
}  // namespace pyrene::personality
