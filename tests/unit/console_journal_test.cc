// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "services/console/journal.h"
#include "tests/unit/console_test_util.h"

namespace pyrene::console {
namespace {

std::string All(const ByteRing& ring) {
  ByteRing copy = ring;
  return std::string(copy.Front(~0u)) + (copy.Front(~0u).size() == copy.used() ? "" : "(wrapped)");
}

class ByteRingTest : public testing::Test {
 protected:
  ByteRingState state_ = {};
  char data_[8];
  ByteRing ring_{state_, data_, sizeof(data_)};
};

TEST_F(ByteRingTest, FirstInFirstOut) {
  EXPECT_TRUE(ring_.empty());
  ring_.Append("abc");
  ring_.Append("de");
  EXPECT_EQ(ring_.used(), 5u);
  EXPECT_EQ(ring_.Front(2), "ab");
  ring_.Consume(2);
  EXPECT_EQ(ring_.Front(100), "cde");
}

TEST_F(ByteRingTest, WrapsInTwoPieces) {
  ring_.Append("abcdef");
  ring_.Consume(5);
  ring_.Append("ghijk");
  EXPECT_EQ(ring_.Front(100), "fgh");
  ring_.Consume(3);
  EXPECT_EQ(ring_.Front(100), "ijk");
}

TEST_F(ByteRingTest, DropsTheOldest) {
  ring_.Append("abcdef");
  ring_.Append("ghij");
  EXPECT_EQ(ring_.used(), 8u);
  EXPECT_EQ(ring_.Front(100), "cdefgh");
  ring_.Append("0123456789ABCDEF");
  EXPECT_EQ(ring_.used(), 8u);
  EXPECT_EQ(std::string(ring_.Front(100)).front(), '8');
}

TEST_F(ByteRingTest, IndicesWrapAroundZero) {
  state_ = {0xfffffffe, 0xfffffffe, 0};
  ring_.Append("abcd");
  EXPECT_EQ(ring_.used(), 4u);
  EXPECT_EQ(std::string(ring_.Front(2)), "ab");
  ring_.Consume(2);
  EXPECT_EQ(ring_.Front(100), "cd");
}

TEST_F(ByteRingTest, MarkGoesWithTheBytes) {
  ring_.Append("ab", 77);
  EXPECT_EQ(ring_.mark(), 77u);
  ring_.Append("cd");
  EXPECT_EQ(ring_.mark(), 77u);
  ring_.SetMark(5);
  EXPECT_EQ(ring_.mark(), 5u);
  EXPECT_EQ(ring_.Front(100), "abcd");
}

TEST_F(ByteRingTest, NextLifeFindsTheBytesAndNoNonsense) {
  ring_.Append("abc");
  EXPECT_EQ(All(ByteRing(state_, data_, sizeof(data_))), "abc");
  state_.tail = 4711;
  EXPECT_TRUE(ByteRing(state_, data_, sizeof(data_)).empty());
}

TEST(JournalTest, FirstLifeIsEmptyWhateverWasThere) {
  std::vector<uint64_t> memory = JournalMemory(2);
  std::fill(memory.begin(), memory.end(), 0xdeadbeefdeadbeef);
  Journal journal = Open(memory);
  EXPECT_FALSE(journal.adopted());
  EXPECT_TRUE(journal.line().empty());
  EXPECT_TRUE(journal.input().empty());
  EXPECT_EQ(journal.attached(), 0);
  EXPECT_EQ(journal.log().written, 0u);
}

TEST(JournalTest, NextLifeFindsEverything) {
  std::vector<uint64_t> memory = JournalMemory(2);
  {
    Journal journal = Open(memory);
    journal.line().Append("line");
    journal.input().Append("input");
    journal.SetAttached(7);
    journal.log().written = 12;
    *journal.TakePosition("xenstore") = 99;
    const Journal::Slot slot = journal.TakeSlot(7);
    ByteRing(slot.record->output, slot.data, kGuestBytes).Append("guest");
  }
  Journal journal = Open(memory);
  EXPECT_TRUE(journal.adopted());
  EXPECT_EQ(All(journal.line()), "line");
  EXPECT_EQ(All(journal.input()), "input");
  EXPECT_EQ(journal.attached(), 7);
  EXPECT_EQ(journal.log().written, 12u);
  EXPECT_EQ(*journal.TakePosition("xenstore"), 99u);
  EXPECT_EQ(*journal.TakePosition("xen"), 0u);
  const Journal::Slot slot = journal.TakeSlot(7);
  EXPECT_EQ(All(ByteRing(slot.record->output, slot.data, kGuestBytes)), "guest");
}

TEST(JournalTest, AnotherSizeIsAnotherJournal) {
  std::vector<uint64_t> memory = JournalMemory(2);
  Open(memory).SetAttached(7);
  memory.resize(memory.size() + 8);
  EXPECT_FALSE(Open(memory).adopted());
}

TEST(JournalTest, SlotsAreReusedAndGuestsBeyondThemServed) {
  std::vector<uint64_t> memory = JournalMemory(2);
  Journal journal = Open(memory);
  const Journal::Slot first = journal.TakeSlot(1);
  const Journal::Slot second = journal.TakeSlot(2);
  EXPECT_NE(first.data, second.data);
  const Journal::Slot third = journal.TakeSlot(3);
  ByteRing(third.record->output, third.data, kGuestBytes).Append("text");
  EXPECT_EQ(journal.TakeSlot(3).record, third.record);
  journal.FreeSlot(3);
  journal.FreeSlot(1);
  EXPECT_EQ(journal.TakeSlot(4).data, first.data);
  EXPECT_EQ(journal.TakeSlot(4).record->output.head_and_mark, 0u);
}

TEST(JournalTest, SlotsOfTheForgottenAreFreed) {
  std::vector<uint64_t> memory = JournalMemory(2);
  char* first;
  {
    Journal journal = Open(memory);
    first = journal.TakeSlot(1).data;
    journal.TakeSlot(2);
  }
  Journal journal = Open(memory);
  journal.TakeSlot(2);
  journal.FreeForgottenSlots();
  EXPECT_EQ(journal.TakeSlot(3).data, first);
}

TEST(JournalTest, PositionsOfTheForgottenAreReused) {
  std::vector<uint64_t> memory = JournalMemory(0);
  {
    Journal journal = Open(memory);
    for (int i = 0; i < 64; ++i) *journal.TakePosition("vmm." + std::to_string(i)) = 5;
    EXPECT_EQ(journal.TakePosition("vmm.64"), nullptr);
    journal.FreePosition("vmm.3");
    ASSERT_NE(journal.TakePosition("vmm.64"), nullptr);
    EXPECT_EQ(*journal.TakePosition("vmm.64"), 0u);
  }
  Journal journal = Open(memory);
  EXPECT_EQ(*journal.TakePosition("vmm.5"), 5u);
  EXPECT_EQ(*journal.TakePosition("vmm.100"), 0u);
  EXPECT_EQ(*journal.TakePosition("vmm.5"), 5u);
}

}  // namespace
}  // namespace pyrene::console
