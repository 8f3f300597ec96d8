// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "runtime/guarded.h"
#include "runtime/host/objects.h"
#include "runtime/memory.h"

namespace pyrene::runtime {
namespace {

class GuardedTest : public testing::Test {
 protected:
  GuardedTest()
      : handle_(*host::CreateObject(host::Kind::kMemory, 2 * kPageBytes)),
        memory_(*Memory::Map(handle_.get(), Access::kReadWrite)) {}

  template <typename T>
  T* At(size_t offset) {
    return reinterpret_cast<T*>(memory_.data() + offset);
  }

  OwnedHandle handle_;
  Memory memory_;
};

template <typename T>
void CheckWord(uint8_t* page) {
  T* const word = reinterpret_cast<T*>(page + 64);
  EXPECT_TRUE(GuardedStore(word, static_cast<T>(0x1122334455667788)));
  T value = 0;
  EXPECT_TRUE(GuardedLoad(word, value));
  EXPECT_EQ(value, static_cast<T>(0x1122334455667788));
  if (sizeof(T) > 1) {
    T* const crooked = reinterpret_cast<T*>(page + 65);
    EXPECT_FALSE(GuardedLoad(crooked, value));
    EXPECT_FALSE(GuardedStore(crooked, value));
  }
}

TEST_F(GuardedTest, WordsOfEverySize) {
  CheckWord<uint8_t>(memory_.data());
  CheckWord<uint16_t>(memory_.data());
  CheckWord<uint32_t>(memory_.data());
  CheckWord<uint64_t>(memory_.data());
}

TEST_F(GuardedTest, CompareExchange) {
  uint32_t* const word = At<uint32_t>(0);
  uint32_t expected = 0;
  EXPECT_TRUE(GuardedCompareExchange(word, expected, 5));
  EXPECT_EQ(expected, 0u);
  expected = 4;
  EXPECT_TRUE(GuardedCompareExchange(word, expected, 6));
  EXPECT_EQ(expected, 5u);
  EXPECT_EQ(*word, 5u);
}

TEST_F(GuardedTest, CopiesEveryLength) {
  for (size_t n = 0; n < 200; ++n) {
    const std::string text(n, static_cast<char>('a' + n % 26));
    ASSERT_TRUE(GuardedCopy(memory_.data() + 7, text.data(), n));
    std::string back(n, '\0');
    ASSERT_TRUE(GuardedCopy(back.data(), memory_.data() + 7, n));
    ASSERT_EQ(back, text);
  }
}

TEST_F(GuardedTest, VanishedMemoryIsAnErrorAgainAndAgain) {
  EXPECT_TRUE(GuardedStore(At<uint32_t>(0), uint32_t{1}));
  host::RevokeMemory(handle_.get());
  char buffer[64];
  for (int i = 0; i < 100; ++i) {
    uint64_t value = 0;
    uint32_t expected = 0;
    EXPECT_FALSE(GuardedLoad(At<uint64_t>(0), value));
    EXPECT_FALSE(GuardedStore(At<uint16_t>(8), uint16_t{1}));
    EXPECT_FALSE(GuardedCompareExchange(At<uint32_t>(0), expected, 1));
    EXPECT_FALSE(GuardedCopy(buffer, memory_.data() + kPageBytes - 10, sizeof(buffer)));
    EXPECT_FALSE(GuardedCopy(memory_.data(), buffer, sizeof(buffer)));
  }
  EXPECT_TRUE(absl::IsUnavailable(MemoryGone()));
}

TEST_F(GuardedTest, UnmappedAddressAndReadOnlyMapping) {
  uint32_t value = 0;
  EXPECT_FALSE(GuardedLoad(reinterpret_cast<uint32_t*>(uintptr_t{0x100000}), value));
  absl::StatusOr<Memory> view = Memory::Map(handle_.get(), Access::kRead);
  ASSERT_TRUE(view.ok());
  EXPECT_TRUE(GuardedLoad(reinterpret_cast<uint32_t*>(view->data()), value));
  EXPECT_FALSE(GuardedStore(reinterpret_cast<uint32_t*>(view->data()), value));
}

TEST_F(GuardedTest, RevokedWhileThreadsAreAtIt) {
  std::thread threads[4];
  std::atomic<int> working = 0;
  for (std::thread& thread : threads) {
    thread = std::thread([&] {
      std::vector<char> buffer(2 * kPageBytes);
      bool first = true;
      while (GuardedCopy(buffer.data(), memory_.data(), buffer.size())) {
        if (first) ++working;
        first = false;
      }
    });
  }
  while (working < 4) std::this_thread::yield();
  host::RevokeMemory(handle_.get());
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace pyrene::runtime
