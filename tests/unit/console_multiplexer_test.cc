// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "services/console/multiplexer.h"
#include "tests/unit/console_test_util.h"

namespace pyrene::console {
namespace {

class MultiplexerTest : public testing::Test {
 protected:
  MultiplexerTest() { Restart(); }

  // The next life, with the same guests.
  void Restart() {
    multiplexer_.reset();
    journal_.emplace(memory_.data(), memory_.size() * sizeof(uint64_t));
    multiplexer_.emplace(*journal_, port_);
    multiplexer_->OnDetached([this](DetachReason reason) { detached_.push_back(reason); });
    for (auto& [domid, guest] : guests_) Connect(domid);
  }
  FakeGuest& NewGuest(uint16_t domid) {
    FakeGuest& guest = guests_[domid];
    Connect(domid);
    return guest;
  }
  void Connect(uint16_t domid) {
    multiplexer_->AddGuest(domid).Connect(guests_[domid].Map(), guests_[domid].Peer());
  }
  void Gone(uint16_t domid) {
    multiplexer_->FindGuest(domid)->Disconnect();
    multiplexer_->RemoveGuest(domid);
    guests_.erase(domid);
  }
  // Rounds until nothing moves.
  void Run() {
    bool more = true;
    while (more) {
      more = multiplexer_->Receive();
      for (auto& [domid, guest] : guests_) {
        GuestConsole& console = *multiplexer_->FindGuest(domid);
        console.Take(console.Written(), domid == multiplexer_->attached());
      }
      multiplexer_->DeliverInput();
      more = multiplexer_->Transmit() || more;
    }
  }
  std::string Shown() {
    Run();
    return port_.TakeShown();
  }
  std::string Input() {
    std::string text(multiplexer_->input().Front(~0u));
    multiplexer_->input().Consume(static_cast<uint32_t>(text.size()));
    return text;
  }

  FakePort port_;
  std::vector<uint64_t> memory_ = JournalMemory(3);
  std::optional<Journal> journal_;
  std::optional<Multiplexer> multiplexer_;
  std::map<uint16_t, FakeGuest> guests_;
  std::vector<DetachReason> detached_;
};

TEST_F(MultiplexerTest, LineIsXlsAtFirst) {
  multiplexer_->Write(0, "pyrene# ls\n");
  EXPECT_EQ(Shown(), "pyrene# ls\r\n");
  port_.TypeText("xl list\r\x1d");
  Run();
  EXPECT_EQ(Input(), "xl list\r\x1d") << "Ctrl-] is an ordinary byte there";
}

TEST_F(MultiplexerTest, GuestsAreDrainedThoughNobodyListens) {
  FakeGuest& guest = NewGuest(1);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(guest.Write(std::string(2048, 'x')), 2048u);
    Run();
  }
  EXPECT_EQ(Shown(), "");
}

TEST_F(MultiplexerTest, AttachShowsWhatNobodyHasSeenAndTypes) {
  FakeGuest& guest = NewGuest(1);
  FakeGuest& other = NewGuest(2);
  guest.Write("login: ");
  other.Write("another\r\n");
  Run();
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  EXPECT_EQ(Shown(), "[domain 1: Ctrl-] leaves it]\r\nlogin: ");
  port_.TypeText("root\r");
  Run();
  EXPECT_EQ(guest.Read(), "root\r");
  EXPECT_EQ(other.Read(), "");
  guest.Write("root\r\nPassword: ");
  other.Write("noise");
  EXPECT_EQ(Shown(), "root\r\nPassword: ");
}

TEST_F(MultiplexerTest, EscapeGivesTheLineBack) {
  FakeGuest& guest = NewGuest(1);
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  Shown();
  port_.TypeText("typed\x1dxl");
  EXPECT_EQ(Shown(), "\r\n[left domain 1]\r\n");
  EXPECT_EQ(guest.Read(), "typed");
  EXPECT_EQ(Input(), "xl");
  EXPECT_EQ(detached_, std::vector{DetachReason::kEscape});
  guest.Write("later");
  EXPECT_EQ(Shown(), "");
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  EXPECT_EQ(Shown(), "[domain 1: Ctrl-] leaves it]\r\nlater");
}

TEST_F(MultiplexerTest, LastWordsAreShownBeforeTheLineGoesBack) {
  FakeGuest& guest = NewGuest(1);
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  Shown();
  port_.room = 10;
  guest.Write("reboot: Power down\r\n");
  Run();
  guest.Write("the end");
  Gone(1);
  EXPECT_EQ(Shown(), "reboot: Po");
  EXPECT_TRUE(port_.wanted);
  EXPECT_TRUE(detached_.empty());
  EXPECT_EQ(multiplexer_->attached(), 1);
  port_.room = 1000;
  EXPECT_EQ(Shown(), "wer down\r\nthe end\r\n[domain 1 is gone]\r\n");
  EXPECT_FALSE(port_.wanted);
  EXPECT_EQ(detached_, std::vector{DetachReason::kGuestGone});
  EXPECT_TRUE(absl::IsNotFound(multiplexer_->Attach(1)));
}

TEST_F(MultiplexerTest, EscapeFromAGuestThatIsGone) {
  NewGuest(1).Write("text that nobody waits for");
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  port_.room = 40;
  Run();
  Gone(1);
  port_.TypeText("\x1d");
  Run();
  EXPECT_EQ(detached_, std::vector{DetachReason::kEscape});
  EXPECT_EQ(multiplexer_->FindGuest(1), nullptr);
}

TEST_F(MultiplexerTest, AttachToNobodyIsRefused) {
  EXPECT_TRUE(absl::IsNotFound(multiplexer_->Attach(0)));
  EXPECT_TRUE(absl::IsNotFound(multiplexer_->Attach(3)));
  EXPECT_EQ(Shown(), "");
}

TEST_F(MultiplexerTest, AttachToAnotherGuest) {
  NewGuest(1).Write("one");
  NewGuest(2).Write("two");
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  Shown();
  EXPECT_TRUE(multiplexer_->Attach(2).ok());
  EXPECT_TRUE(multiplexer_->Attach(2).ok());
  EXPECT_EQ(Shown(), "[domain 2: Ctrl-] leaves it]\r\ntwo");
  EXPECT_EQ(detached_, std::vector{DetachReason::kRequested});
}

TEST_F(MultiplexerTest, AttachedGuestLosesNothingOnASlowLine) {
  FakeGuest& guest = NewGuest(1);
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  Shown();
  std::string written, shown;
  unsigned waits = 0;
  for (unsigned i = 0; i < 4000; ++i) {
    const std::string text = "line " + std::to_string(i) + "\r\n";
    const size_t size = guest.Write(text);
    written += text.substr(0, size);
    waits += size < text.size();
    port_.room = 3;
    shown += Shown();
  }
  EXPECT_GT(waits, 0u);
  port_.room = 1'000'000;
  shown += Shown();
  EXPECT_EQ(shown, written);
}

TEST_F(MultiplexerTest, OneRoundIsBounded) {
  NewGuest(1).Write(std::string(2000, 'x'));
  Run();
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  EXPECT_TRUE(multiplexer_->Transmit());
  EXPECT_EQ(port_.TakeShown().size(), 512u);
  port_.TypeText(std::string(5000, 'y'));
  EXPECT_TRUE(multiplexer_->Receive());
  EXPECT_EQ(port_.typed.size(), 5000u - 256u);
}

TEST_F(MultiplexerTest, InputBeyondTheQueueIsDroppedWithBel) {
  FakeGuest& guest = NewGuest(1);
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  Shown();
  port_.TypeText(std::string(2048, 'a') + "bcd");
  const std::string shown = Shown();
  EXPECT_EQ(shown, "\a");
  EXPECT_EQ(guest.Read(), std::string(1024, 'a'));
  Run();
  EXPECT_EQ(guest.Read(), std::string(1024, 'a'));
  port_.TypeText("more");
  Run();
  EXPECT_EQ(guest.Read(), "more");
}

TEST_F(MultiplexerTest, InputThatTheGuestDidNotTakeIsNotXls) {
  NewGuest(1);
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  port_.TypeText(std::string(1500, 'a') + "\x1d" + "b");
  Run();
  EXPECT_EQ(Input(), "b");
}

TEST_F(MultiplexerTest, SaysWhenTextHasLeft) {
  port_.room = 3;
  multiplexer_->Write(0, "four");
  const uint32_t position = multiplexer_->WritePosition();
  Run();
  EXPECT_FALSE(multiplexer_->HasLeft(position));
  port_.room = 100;
  port_.idle = false;
  Run();
  EXPECT_FALSE(multiplexer_->HasLeft(position));
  port_.idle = true;
  EXPECT_TRUE(multiplexer_->HasLeft(position));
  multiplexer_->Write(0, "more");
  EXPECT_TRUE(multiplexer_->HasLeft(position));
}

TEST_F(MultiplexerTest, RoomForXlsText) {
  port_.room = 0;
  unsigned writes = 0;
  for (; multiplexer_->HasRoomToWrite(); ++writes) multiplexer_->Write(0, std::string(4096, '\n'));
  EXPECT_GE(writes, 1u);
  port_.room = 1'000'000;
  EXPECT_EQ(Shown().size(), writes * 8192);
}

TEST_F(MultiplexerTest, RepeatedTextIsTakenOnce) {
  multiplexer_->Write(1, "one");
  multiplexer_->Write(2, "two");
  Restart();
  multiplexer_->Write(1, "one");
  multiplexer_->Write(2, "two");
  multiplexer_->Write(5, "three");
  EXPECT_EQ(Shown(), "onetwothree");
  multiplexer_->ForgetIds();
  multiplexer_->Write(1, "another xl's");
  EXPECT_EQ(Shown(), "another xl's");
}

TEST_F(MultiplexerTest, NextLifeGoesOn) {
  FakeGuest& guest = NewGuest(1);
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  port_.room = 12;
  guest.Write("0123456789");
  EXPECT_EQ(Shown(), "[domain 1: C");
  port_.TypeText("typed");
  Restart();
  port_.room = 1000;
  EXPECT_EQ(Shown(), "trl-] leaves it]\r\n0123456789");
  EXPECT_EQ(guest.Read(), "typed");
  multiplexer_->EndAdoption();
  EXPECT_EQ(multiplexer_->attached(), 1);
}

TEST_F(MultiplexerTest, GuestThatDiedWithTheFormerLife) {
  NewGuest(1).Write("last words\r\n");
  NewGuest(2);
  EXPECT_TRUE(multiplexer_->Attach(1).ok());
  port_.room = 0;
  Run();
  guests_.erase(1);
  Restart();
  port_.room = 1000;
  EXPECT_EQ(Shown(), "[domain 1: Ctrl-] leaves it]\r\n");
  multiplexer_->EndAdoption();
  EXPECT_EQ(Shown(), "last words\r\n\r\n[domain 1 is gone]\r\n");
  EXPECT_EQ(detached_, std::vector{DetachReason::kGuestGone});
}

}  // namespace
}  // namespace pyrene::console
