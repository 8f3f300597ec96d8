// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "services/console/guest_console.h"
#include "tests/unit/console_test_util.h"

namespace pyrene::console {
namespace {

class GuestConsoleTest : public testing::Test {
 protected:
  GuestConsoleTest() { Restart(); }

  void Restart() {
    console_.reset();
    journal_.emplace(memory_.data(), memory_.size() * sizeof(uint64_t));
    console_.emplace(5, journal_->TakeSlot(5));
    console_->Connect(guest_.Map(), guest_.Peer());
    guest_.Rung();
  }
  GuestRecord& record() { return *journal_->TakeSlot(5).record; }

  void Take(bool attached = false) { console_->Take(console_->Written(), attached); }
  std::string Shown() {
    std::string text;
    while (!console_->output().empty()) {
      const std::string piece(console_->output().Front(~0u));
      console_->output().Consume(static_cast<uint32_t>(piece.size()));
      text += piece;
    }
    return text;
  }

  std::vector<uint64_t> memory_ = JournalMemory(1);
  std::optional<Journal> journal_;
  FakeGuest guest_;
  std::optional<GuestConsole> console_;
};

TEST_F(GuestConsoleTest, TakesWhatTheGuestWritesAndTellsIt) {
  guest_.Write("hello\r\n");
  EXPECT_FALSE(guest_.Rung());
  Take();
  EXPECT_TRUE(guest_.Rung());
  EXPECT_EQ(guest_.page()->out_cons, 7u);
  EXPECT_EQ(Shown(), "hello\r\n");
  Take();
  EXPECT_FALSE(guest_.Rung()) << "nothing was taken";
}

TEST_F(GuestConsoleTest, KeepsTheLast16KiB) {
  std::string all;
  for (int i = 0; i < 20; ++i) {
    const std::string text(2000, static_cast<char>('a' + i));
    ASSERT_EQ(guest_.Write(text), text.size());
    Take();
    all += text;
  }
  EXPECT_EQ(Shown(), all.substr(all.size() - kGuestBytes));
}

TEST_F(GuestConsoleTest, AttachedGuestWaitsForTheLine) {
  std::string all;
  unsigned rounds = 0;
  for (; guest_.Write(std::string(2048, 'x')) == 2048; ++rounds) Take(true);
  EXPECT_GE(rounds, 6u);
  EXPECT_EQ(console_->output().used() + 2048, kGuestBytes);
  EXPECT_FALSE(console_->HasRoomForText(true));
  EXPECT_TRUE(console_->HasRoomForText(false));
  // It goes away: all it wrote still fits.
  console_->Disconnect();
  EXPECT_EQ(Shown().size(), rounds * 2048);
}

TEST_F(GuestConsoleTest, TakesOnlyUpToTheEnd) {
  guest_.Write("before");
  const uint32_t end = console_->Written();
  guest_.Write(" after");
  console_->Take(end, false);
  EXPECT_EQ(Shown(), "before");
  Take();
  EXPECT_EQ(Shown(), " after");
}

TEST_F(GuestConsoleTest, TextGetsCarriageReturns) {
  console_->AddText(0, "one\ntwo\n");
  EXPECT_EQ(Shown(), "one\r\ntwo\r\n");
}

TEST_F(GuestConsoleTest, RepeatedTextIsTakenOnce) {
  console_->AddText(1, "one");
  console_->AddText(2, "two");
  Restart();
  console_->AddText(1, "one");
  console_->AddText(2, "two");
  console_->AddText(3, "three");
  // Death after the id was stored and before the text was.
  record().text = uint64_t{console_->output().head() + 4} << 32 | 4;
  Restart();
  console_->AddText(3, "three");
  console_->AddText(4, "four");
  EXPECT_EQ(Shown(), "onetwothreefour");
}

TEST_F(GuestConsoleTest, RingsThatMakeNoSenseAreLeftAlone) {
  for (const uint32_t producer : {2049u, 0x80000000u, 0xffffffffu}) {
    guest_.page()->out_prod = producer;
    Take();
    EXPECT_EQ(Shown(), "");
  }
  guest_.page()->in_cons = 77;
  EXPECT_EQ(console_->InputRoom(), 0u);
  console_->Type("text");
  EXPECT_EQ(guest_.page()->in_prod, 0u);
}

TEST_F(GuestConsoleTest, GuestMayMoveBothIndices) {
  guest_.Write("hello");
  Take();
  guest_.page()->out_cons = 1000;
  guest_.page()->out_prod = 1003;
  std::memcpy(guest_.page()->out + 1000, "xyz", 3);
  Take();
  EXPECT_EQ(Shown(), "helloxyz");
}

TEST_F(GuestConsoleTest, VanishedPageIsNoFault) {
  guest_.Write("hello");
  runtime::host::RevokeMemory(guest_.handle());
  Take();
  console_->Type("x");
  console_->Started();
  console_->Disconnect();
  EXPECT_EQ(Shown(), "");
}

TEST_F(GuestConsoleTest, Types) {
  EXPECT_EQ(console_->InputRoom(), 1024u);
  console_->Type("ls\r");
  EXPECT_TRUE(guest_.Rung());
  EXPECT_EQ(console_->InputRoom(), 1021u);
  EXPECT_EQ(guest_.Read(), "ls\r");
  guest_.page()->in_cons = guest_.page()->in_prod = 1020;
  console_->Type("0123456789");
  EXPECT_EQ(guest_.Read(), "0123456789");
}

TEST_F(GuestConsoleTest, RebootShowsTheLastWordsAndBeginsAnew) {
  guest_.Write("old");
  Take();
  guest_.Write(" words");
  console_->Stopped();
  EXPECT_EQ(Shown(), "old words");
  std::memset(guest_.page(), 0, sizeof(*guest_.page()));
  guest_.Write("zeroed by halves");
  Take();
  EXPECT_EQ(Shown(), "") << "left alone until it starts";
  EXPECT_EQ(console_->InputRoom(), 0u);
  console_->Started();
  Take();
  EXPECT_EQ(Shown(), "zeroed by halves");
}

TEST_F(GuestConsoleTest, RepairsARingThatWasZeroedUnderIt) {
  guest_.page()->out_cons = 700;
  guest_.page()->in_prod = 4000;
  guest_.Write("");
  guest_.page()->out_prod = 0;
  console_->Started();
  guest_.Write("fresh");
  Take();
  EXPECT_EQ(Shown(), "fresh");
  console_->Type("typed");
  EXPECT_EQ(guest_.Read(), "typed");
}

// Death between the steps T1..T4 (guest_console.h).
TEST_F(GuestConsoleTest, DeathBeforeT2TakesNothing) {
  guest_.Write("abc");
  Take();
  guest_.Write("def");
  record().before = 3;  // T1
  Restart();
  Take();
  EXPECT_EQ(Shown(), "abcdef");
}

TEST_F(GuestConsoleTest, DeathBeforeT3TakesOnce) {
  guest_.Write("abc");
  Take();
  guest_.Write("def");
  record().before = 3;
  console_->output().Append("def", 6);  // T2
  Restart();
  EXPECT_EQ(guest_.page()->out_cons, 6u);
  Take();
  EXPECT_EQ(Shown(), "abcdef");
}

TEST_F(GuestConsoleTest, DeathBeforeT4TakesOnce) {
  guest_.Write("abc");
  Take();
  record().before = 0;
  Restart();
  EXPECT_EQ(guest_.page()->out_cons, 3u);
  guest_.Write("def");
  Take();
  EXPECT_EQ(Shown(), "abcdef");
}

TEST_F(GuestConsoleTest, RebootWhileDeadLosesNothing) {
  guest_.Write("abc");
  Take();
  std::memset(guest_.page(), 0, sizeof(*guest_.page()));
  guest_.Write("new life");
  Restart();
  Take();
  EXPECT_EQ(Shown(), "abcnew life");
}

TEST_F(GuestConsoleTest, NextLifeTellsTheGuest) {
  guest_.Write("abc");
  Take();
  guest_.Rung();
  console_.emplace(5, journal_->TakeSlot(5));
  console_->Connect(guest_.Map(), guest_.Peer());
  EXPECT_TRUE(guest_.Rung());
}

}  // namespace
}  // namespace pyrene::console
