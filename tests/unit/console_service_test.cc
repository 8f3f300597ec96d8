// SPDX-License-Identifier: Apache-2.0
//
// The whole console with everybody it talks to: xl, VMMs, guests, the serial line.
#include "services/console/console_service.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proto/pv_rings.h"
#include "runtime/clock.h"
#include "runtime/log_ring.h"
#include "tests/unit/console_test_client.h"
#include "tests/unit/console_test_util.h"

namespace pyrene::console {
namespace {

using proto::ConsoleEvent;
using runtime::kSecond;

class ConsoleServiceTest : public testing::Test {
 protected:
  struct Guest {
    FakeGuest ring;
    Client vmm;
  };

  ConsoleServiceTest() { Boot(); }

  // Console's next life: new epochs, all offers again.
  void Boot() {
    service_.reset();
    journal_.emplace(memory_.data(), memory_.size() * sizeof(uint64_t));
    ++epoch_;
    xl_.StartEpoch(epoch_);
    service_.emplace(
        *journal_, port_, std::move(*xl_.OpenServer()), [this] { ReadOffers(); }, now_);
    for (auto& [domid, guest] : guests_) {
      guest->vmm.StartEpoch(epoch_);
      Offer(domid);
    }
  }
  void RestartXl() {
    xl_.StartEpoch(++epoch_);
    xl_.Restart();
  }
  // Made by init; console finds the offers when it looks.
  Guest& NewGuest(uint16_t domid) {
    guests_[domid] = std::make_unique<Guest>();
    Offer(domid);
    return *guests_[domid];
  }
  void Offer(uint16_t domid) {
    Guest& guest = *guests_[domid];
    const std::string number = std::to_string(domid);
    offers_.push_back(guest.vmm.Offer("console." + number, domid));
    offers_.push_back({"pv.console." + number, "vmm." + number, domid, proto::kPvConsoleRing, true,
                       *runtime::host::CopyHandle(guest.ring.handle(), 0),
                       *runtime::host::CopyHandle(guest.ring.bell().handle(), 1), 16});
  }
  void ReadOffers() {
    for (const init::Offer& offer : std::exchange(offers_, {})) {
      EXPECT_TRUE(service_->Offer(offer).ok());
    }
  }
  void Destroy(uint16_t domid) {
    service_->Revoke("console." + std::to_string(domid), now_);
    service_->Revoke("pv.console." + std::to_string(domid), now_);
    guests_.erase(domid);
  }
  // Rounds until nothing moves, with both ends of each channel up.
  void Run() {
    do {
      ReadOffers();
      xl_.Events();
      for (auto& [domid, guest] : guests_) guest->vmm.Events();
    } while (service_->Round(now_));
    xl_.Events();
    for (auto& [domid, guest] : guests_) guest->vmm.Events();
  }
  std::string Shown() {
    Run();
    return port_.TakeShown();
  }
  void Attach(uint16_t domid) {
    Run();
    EXPECT_TRUE(xl_.Attach(1, domid).ok());
  }
  // xl's answer to an input.
  void TakeInput(uint32_t id) {
    EXPECT_TRUE(xl_.Send(id, [](auto r) { r.setInputTaken(); }).ok());
    Run();
  }

  FakePort port_;
  std::vector<uint64_t> memory_ = JournalMemory(3);
  std::optional<Journal> journal_;
  Client xl_;
  std::map<uint16_t, std::unique_ptr<Guest>> guests_;
  std::vector<init::Offer> offers_;
  std::optional<ConsoleService> service_;
  uint32_t epoch_ = 0;
  uint64_t now_ = kSecond;
};

TEST_F(ConsoleServiceTest, Terminal) {
  xl_.Events();
  Run();
  std::vector<Client::Event> events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].which, ConsoleEvent::DETACHED) << "the state of the line comes first";
  xl_.Write(1, "pyrene# ");
  xl_.Write(2, "\n");
  EXPECT_EQ(Shown(), "pyrene# \r\n");
  events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].which, ConsoleEvent::TAKEN);
  EXPECT_EQ(events[0].id, 2u) << "stands for all before";
}

TEST_F(ConsoleServiceTest, InputComesOneByOneAndNothingIsLostOrRepeated) {
  Run();
  xl_.TakeEvents();
  port_.TypeText("xl li");
  Run();
  port_.TypeText("st\r");
  Run();
  std::vector<Client::Event> events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].which, ConsoleEvent::INPUT);
  EXPECT_EQ(events[0].text, "xl li");
  TakeInput(events[0].id);
  events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].text, "st\r");
  // xl dies with it in hand; more is typed meanwhile.
  port_.TypeText("xl info\r");
  Run();
  RestartXl();
  Run();
  events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].which, ConsoleEvent::DETACHED);
  EXPECT_EQ(events[1].text, "st\r");
  TakeInput(events[1].id);
  events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].text, "xl info\r");
  TakeInput(events[0].id + 5);
  TakeInput(events[0].id);
  Run();
  EXPECT_TRUE(xl_.TakeEvents().empty());
}

TEST_F(ConsoleServiceTest, AttachFindsAGuestWhoseOffersWereNotReadYet) {
  Run();
  xl_.TakeEvents();
  Guest& guest = NewGuest(4);
  guest.ring.Write("boot\r\n");
  EXPECT_TRUE(xl_.Attach(9, 4).ok());
  // No Run: it would read the offers first.
  service_->Round(now_);
  Run();
  EXPECT_EQ(port_.TakeShown(), "[domain 4: Ctrl-] leaves it]\r\nboot\r\n");
  std::vector<Client::Event> events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].which, ConsoleEvent::ATTACHED);
  EXPECT_EQ(events[0].id, 9u);
  EXPECT_EQ(events[0].number, 4u);
  port_.TypeText("a\x1d");
  Run();
  EXPECT_EQ(guest.ring.Read(), "a");
  events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].number, static_cast<uint64_t>(proto::DetachReason::ESCAPE));
  EXPECT_EQ(events[0].id, 0u);
}

TEST_F(ConsoleServiceTest, AttachAndDetachByRequest) {
  NewGuest(1);
  Run();
  xl_.TakeEvents();
  EXPECT_TRUE(xl_.Attach(1, 2).ok());
  EXPECT_TRUE(xl_.Attach(2, 1).ok());
  EXPECT_TRUE(xl_.Send(3, [](auto r) { r.setDetach(); }).ok());
  Run();
  const std::vector<Client::Event> events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].which, ConsoleEvent::FAILED);
  EXPECT_EQ(events[0].id, 1u);
  EXPECT_EQ(events[0].text, "domain 2 has no console");
  EXPECT_EQ(events[1].which, ConsoleEvent::ATTACHED);
  EXPECT_EQ(events[2].which, ConsoleEvent::DETACHED);
  EXPECT_EQ(events[2].id, 3u);
}

TEST_F(ConsoleServiceTest, HypercallTextComesBeforeWhatFollowedItInTheRing) {
  Guest& guest = NewGuest(1);
  Run();
  guest.vmm.TakeEvents();
  guest.vmm.Text(7, "earlycon 1\n");
  guest.vmm.Text(8, "earlycon 2\n");
  guest.ring.Write("hvc0\r\n");
  EXPECT_TRUE(xl_.Attach(1, 1).ok());
  EXPECT_EQ(Shown(), "[domain 1: Ctrl-] leaves it]\r\nearlycon 1\r\nearlycon 2\r\nhvc0\r\n");
  const std::vector<Client::Event> events = guest.vmm.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].which, ConsoleEvent::TAKEN);
  EXPECT_EQ(events[0].id, 8u);
}

TEST_F(ConsoleServiceTest, Reboot) {
  Guest& guest = NewGuest(1);
  Attach(1);
  Shown();
  guest.ring.Write("Restarting system\r\n");
  EXPECT_TRUE(guest.vmm.Send(1, [](auto r) { r.setGuestStopped(); }).ok());
  EXPECT_EQ(Shown(), "Restarting system\r\n");
  ASSERT_FALSE(guest.vmm.Events().empty());
  EXPECT_EQ(guest.vmm.Events().back().which, ConsoleEvent::TAKEN);
  std::memset(guest.ring.page(), 0, sizeof(*guest.ring.page()));
  EXPECT_TRUE(guest.vmm.Send(2, [](auto r) { r.initGuestStarted().setPort(2); }).ok());
  guest.ring.Write("Booting Linux\r\n");
  EXPECT_EQ(Shown(), "Booting Linux\r\n");
}

TEST_F(ConsoleServiceTest, GuestGoesWithItsLastWords) {
  Guest& guest = NewGuest(1);
  Attach(1);
  Shown();
  xl_.TakeEvents();
  guest.vmm.Text(0, "panic\n");
  guest.ring.Write("dead");
  Destroy(1);
  EXPECT_EQ(Shown(), "panic\r\ndead\r\n[domain 1 is gone]\r\n");
  const std::vector<Client::Event> events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].number, static_cast<uint64_t>(proto::DetachReason::GUEST_GONE));
}

TEST_F(ConsoleServiceTest, RevokedOfferLeavesNoCapability) {
  NewGuest(1);
  const std::vector<init::Offer> offers = offers_;
  Run();
  EXPECT_EQ(runtime::host::DescriptorOf(offers[0].memory) == -1, false);
  Destroy(1);
  for (const init::Offer& offer : offers) {
    EXPECT_EQ(runtime::host::DescriptorOf(offer.memory), -1);
    EXPECT_EQ(runtime::host::DescriptorOf(offer.wake_peer), -1);
  }
}

TEST_F(ConsoleServiceTest, OffersThatMakeNoSense) {
  Run();
  init::Offer offer;
  offer.name = "x";
  EXPECT_FALSE(service_->Offer(offer).ok());
  offer.peer_domid = 1;
  EXPECT_TRUE(absl::IsUnimplemented(service_->Offer(offer)));
  offer.schema_id = proto::kPvConsoleRing;
  EXPECT_FALSE(service_->Offer(offer).ok());
  NewGuest(1);
  const init::Offer good = offers_.front();
  Run();
  init::Offer again = good;
  again.memory = *runtime::host::CopyHandle(good.memory, 0);
  again.wake_peer = *runtime::host::CopyHandle(good.wake_peer, 1);
  EXPECT_TRUE(absl::IsAlreadyExists(service_->Offer(again)));
  EXPECT_EQ(runtime::host::DescriptorOf(again.memory), -1);
  service_->Revoke("nobody", now_);
}

TEST_F(ConsoleServiceTest, WhoBreaksTheProtocolLosesHisChannelOnly) {
  Guest& bad = NewGuest(1);
  Guest& worse = NewGuest(2);
  Guest& good = NewGuest(3);
  Run();
  EXPECT_TRUE(bad.vmm.Send(1, [](auto r) { r.setAttach(2); }).ok());
  EXPECT_TRUE(worse.vmm.Send(1, [](auto r) { r.initGuestText(4097); }).ok());
  Run();
  EXPECT_NE(bad.vmm.state(), proto::Channel::State::kUp);
  EXPECT_NE(worse.vmm.state(), proto::Channel::State::kUp);
  EXPECT_EQ(good.vmm.state(), proto::Channel::State::kUp);
  bad.ring.Write("still drained");
  Attach(1);
  EXPECT_EQ(Shown(), "[domain 1: Ctrl-] leaves it]\r\nstill drained");
}

TEST_F(ConsoleServiceTest, FloodOfOneGuestDoesNotStopAnother) {
  Guest& flood = NewGuest(1);
  Guest& other = NewGuest(2);
  Run();
  for (int i = 0; i < 200; ++i) {
    flood.ring.Write(std::string(2048, 'x'));
    static_cast<void>(flood.vmm.Send(0, [](auto r) { r.initGuestText(4096); }));
    other.ring.Write("line\r\n");
    service_->Round(now_);
    EXPECT_EQ(other.ring.page()->out_cons, other.ring.page()->out_prod);
  }
}

TEST_F(ConsoleServiceTest, TextWaitsForASlowLineAndIsNotLost) {
  Guest& guest = NewGuest(1);
  Attach(1);
  Shown();
  std::string sent, shown;
  for (int i = 0; i < 3000; ++i) {
    const std::string line = "early " + std::to_string(i) + "\n";
    if (guest.vmm
            .Send(0,
                  [&](auto r) {
                    r.setGuestText({reinterpret_cast<const kj::byte*>(line.data()), line.size()});
                  })
            .ok()) {
      sent += line.substr(0, line.size() - 1) + "\r\n";
    }
    port_.room = 5;
    shown += Shown();
  }
  EXPECT_LT(shown.size(), sent.size());
  port_.room = 1'000'000;
  shown += Shown();
  EXPECT_EQ(shown, sent);
}

TEST_F(ConsoleServiceTest, LogIsServedAndCleared) {
  Run();
  xl_.TakeEvents();
  runtime::OwnedHandle ring{
      *runtime::host::CreateObject(runtime::host::Kind::kMemory, runtime::kPageBytes)};
  runtime::Memory memory = *runtime::Memory::Map(ring.get(), runtime::Access::kReadWrite);
  runtime::LogWriter writer;
  writer.Attach(memory.data(), memory.size());
  writer.Write("I vmm.3: hello\n", 15);
  init::Offer offer;
  offer.name = "log.vmm.3";
  offer.peer = "vmm.3";
  offer.schema_id = proto::kServiceLog;
  offer.memory = *runtime::host::CopyHandle(ring.get(), 0);
  EXPECT_TRUE(service_->Offer(offer).ok());
  const auto read = [this](uint64_t position) {
    EXPECT_TRUE(xl_.Send(5,
                         [&](auto r) {
                           r.initReadLog().setPosition(position);
                           r.getReadLog().setMaxBytes(~0u);
                         })
                    .ok());
    Run();
    return xl_.TakeEvents().back();
  };
  Client::Event part = read(0);
  EXPECT_EQ(part.which, ConsoleEvent::LOG);
  EXPECT_EQ(part.text, "(PYR) [    1.000000] I vmm.3: hello\n");
  EXPECT_EQ(read(part.text.size()).text, "");
  EXPECT_TRUE(xl_.Send(0, [](auto r) { r.setClearLog(); }).ok());
  EXPECT_EQ(read(0).text, "");
  EXPECT_EQ(read(0).number, part.text.size());
  writer.Write("I vmm.3: bye\n", 13);
  service_->Revoke("log.vmm.3", now_);
  EXPECT_EQ(read(0).text, "(PYR) [    1.000000] I vmm.3: bye\n");
  EXPECT_EQ(runtime::host::DescriptorOf(offer.memory), -1);
}

TEST_F(ConsoleServiceTest, FlushIsAnsweredWhenTheLineIsIdle) {
  Run();
  xl_.TakeEvents();
  port_.idle = false;
  xl_.Write(0, "bye\n");
  EXPECT_TRUE(xl_.Send(3, [](auto r) { r.setFlush(); }).ok());
  EXPECT_EQ(Shown(), "bye\r\n");
  EXPECT_TRUE(xl_.TakeEvents().empty());
  EXPECT_EQ(service_->Deadline(now_), now_ + runtime::kMillisecond);
  port_.idle = true;
  Run();
  const std::vector<Client::Event> events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].which, ConsoleEvent::FLUSHED);
  EXPECT_EQ(events[0].id, 3u);
  EXPECT_GT(service_->Deadline(now_), now_ + runtime::kMillisecond);
}

TEST_F(ConsoleServiceTest, DeathOfConsoleLosesNothing) {
  Guest& guest = NewGuest(1);
  Guest& other = NewGuest(2);
  Attach(1);
  Shown();
  xl_.TakeEvents();
  other.ring.Write("unseen");
  guest.ring.Write("half of this is sh");
  port_.room = 8;
  Run();
  guest.ring.Write("own, half is not");
  Boot();
  port_.room = 1000;
  port_.TypeText("typed");
  EXPECT_EQ(Shown(), "half of this is shown, half is not");
  EXPECT_EQ(guest.ring.Read(), "typed");
  std::vector<Client::Event> events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].which, ConsoleEvent::ATTACHED) << "xl is told who has the line";
  now_ += 10 * kSecond;
  port_.TypeText("\x1d");
  Attach(2);
  EXPECT_EQ(Shown(), "\r\n[left domain 1]\r\n[domain 2: Ctrl-] leaves it]\r\nunseen");
}

// The answers do not arrive before console dies, so xl and the VMM repeat what they said.
TEST_F(ConsoleServiceTest, RepeatedTextIsShownOnce) {
  Guest& guest = NewGuest(1);
  Run();
  const auto speak = [&] {
    xl_.Write(1, "pyrene# ");
    xl_.Write(2, "kill console\n");
    guest.vmm.Text(1, "early\n");
  };
  speak();
  EXPECT_EQ(Shown(), "pyrene# kill console\r\n");
  Boot();
  Run();
  speak();
  xl_.Write(3, "pyrene# ");
  EXPECT_EQ(Shown(), "pyrene# ");
  Attach(1);
  EXPECT_EQ(Shown(), "[domain 1: Ctrl-] leaves it]\r\nearly\r\n");
  // Another xl counts anew, also when both died.
  RestartXl();
  Run();
  xl_.Write(1, "another");
  EXPECT_EQ(Shown(), "another");
  RestartXl();
  Boot();
  Run();
  xl_.Write(1, "a third");
  EXPECT_EQ(Shown(), "a third");
}

TEST_F(ConsoleServiceTest, AttachedGuestDiesWhileConsoleIsDead) {
  NewGuest(1).ring.Write("last words");
  Attach(1);
  Run();
  guests_.clear();
  Boot();
  EXPECT_EQ(Shown(), "[domain 1: Ctrl-] leaves it]\r\nlast words");
  xl_.TakeEvents();
  now_ += 6 * kSecond;
  EXPECT_EQ(Shown(), "\r\n[domain 1 is gone]\r\n");
  EXPECT_EQ(xl_.TakeEvents().at(0).number, static_cast<uint64_t>(proto::DetachReason::GUEST_GONE));
}

TEST_F(ConsoleServiceTest, XlDiesWhileAGuestIsAttached) {
  Guest& guest = NewGuest(1);
  Attach(1);
  Shown();
  RestartXl();
  guest.ring.Write("unaffected");
  EXPECT_EQ(Shown(), "unaffected");
  const std::vector<Client::Event> events = xl_.TakeEvents();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].which, ConsoleEvent::ATTACHED);
}

TEST(ConsoleWithoutXlTest, TroublesAreShown) {
  FakePort port;
  std::vector<uint64_t> memory = JournalMemory(0);
  Journal journal = Open(memory);
  Client xl;
  ConsoleService service(
      journal, port, std::move(*xl.OpenServer()), [] {}, kSecond);
  runtime::OwnedHandle ring{
      *runtime::host::CreateObject(runtime::host::Kind::kMemory, runtime::kPageBytes)};
  runtime::Memory mapped = *runtime::Memory::Map(ring.get(), runtime::Access::kReadWrite);
  runtime::LogWriter writer;
  writer.Attach(mapped.data(), mapped.size());
  service.logs().AddService("init", std::move(mapped));
  const std::string text = "I init: started\nE init: xl does not start: bad ELF\n";
  writer.Write(text.data(), text.size());
  const auto run = [&](uint64_t now) {
    while (service.Round(now)) {
    }
    return port.TakeShown();
  };
  EXPECT_EQ(run(2 * kSecond), "");
  EXPECT_EQ(run(7 * kSecond), "(PYR) [    2.000000] E init: xl does not start: bad ELF\r\n");
  EXPECT_EQ(run(9 * kSecond), "");
}

}  // namespace
}  // namespace pyrene::console
