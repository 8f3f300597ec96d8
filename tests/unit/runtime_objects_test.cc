// SPDX-License-Identifier: Apache-2.0
//
// Notification, Memory, Port, service facts and address window, on the host's back-end.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "runtime/address_window.h"
#include "runtime/host/objects.h"
#include "runtime/memory.h"
#include "runtime/notification.h"
#include "runtime/port.h"
#include "runtime/service.h"

namespace pyrene::runtime {
namespace {

TEST(Notification, BitsAreStickyAndClearedByWhoTakesThem) {
  const Notification n = *Notification::Create();
  n.Signal(0b101);
  n.Signal(0b100);
  EXPECT_EQ(*n.Wait(0b110), 0b100u);
  EXPECT_EQ(n.Poll(), 0b001u);
  EXPECT_EQ(n.Poll(), 0u);
}

TEST(Notification, DeadlineIsKept) {
  const Notification n = *Notification::Create();
  n.Signal(1);
  const uint64_t before = MonotonicNow();
  EXPECT_TRUE(absl::IsDeadlineExceeded(n.Wait(2, before + 5 * kMillisecond).status()));
  EXPECT_GE(MonotonicNow(), before + 5 * kMillisecond);
  EXPECT_TRUE(absl::IsDeadlineExceeded(n.Wait(2, kNow).status()));
  EXPECT_EQ(*n.Wait(1, kNow), 1u);
}

TEST(Notification, BadgedHandleSignalsItsBitsOnly) {
  const Notification n = *Notification::Create();
  const Notification peer = Notification::Adopt(n.SignalHandle(0b1000)->Release());
  peer.Signal();
  EXPECT_EQ(n.Poll(), 0b1000u);
}

TEST(Notification, NoSignalIsLostBetweenThreads) {
  const Notification ping = *Notification::Create();
  const Notification pong = *Notification::Create();
  constexpr int kRounds = 5000;
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      ASSERT_EQ(*ping.Wait(1), 1u);
      pong.Signal(1);
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    ping.Signal(1);
    ASSERT_EQ(*pong.Wait(1), 1u);
  }
  other.join();
}

TEST(Notification, AcrossProcesses) {
  const Notification n = *Notification::Create();
  const pid_t child = fork();
  if (child == 0) {
    n.Signal(0x55);
    _exit(0);
  }
  EXPECT_EQ(*n.Wait(kAllBits, MonotonicNow() + 10 * kSecond), 0x55u);
  waitpid(child, nullptr, 0);
}

TEST(Notification, BadHandleIsAnError) {
  const Notification none;
  EXPECT_FALSE(none.Wait(1, kNow).ok());
  EXPECT_EQ(none.Poll(), 0u);
  none.Signal(1);
}

TEST(Memory, SharedBetweenMappings) {
  OwnedHandle handle(*host::CreateObject(host::Kind::kMemory, 4 * kPageBytes));
  EXPECT_EQ(*Memory::PagesOf(handle.get()), 4u);
  Memory all = *Memory::Map(handle.get(), Access::kReadWrite);
  Memory part = *Memory::Map(handle.get(), Access::kRead, 2, 1);
  EXPECT_EQ(all.size(), 4 * kPageBytes);
  EXPECT_EQ(part.size(), kPageBytes);
  all.data()[2 * kPageBytes + 9] = 42;
  EXPECT_EQ(part.data()[9], 42);
  Memory moved = std::move(part);
  EXPECT_EQ(moved.data()[9], 42);
  EXPECT_FALSE(Memory::Map(handle.get(), Access::kRead, 4).ok());
  EXPECT_FALSE(Memory::Map(handle.get(), Access::kRead, 1, 4).ok());
  EXPECT_FALSE(Memory::Map(handle.get(), Access::kRead, 1, ~uint64_t{0}).ok());
  EXPECT_FALSE(Memory::Map(kNoHandle, Access::kRead).ok());
}

TEST(Port, CallsWithBadgesAndHandles) {
  constexpr uint64_t kLast = 1'000'000;  // a request that is answered and ends the server
  const Port server = *Port::Create();
  std::thread serving([&] {
    PortMessage message;
    while (true) {
      const absl::StatusOr<uint64_t> badge = server.ReplyAndWait(message);
      ASSERT_TRUE(badge.ok());
      if (message.word[0] == kLast) return;
      message.word[0] = message.word[0] * 1000 + *badge;
      if (message.received[0]) Notification::Adopt(message.received[0].Release()).Signal(*badge);
    }
  });
  const Notification n = *Notification::Create();
  std::vector<std::thread> clients;
  for (uint64_t badge = 1; badge <= 2; ++badge) {
    clients.emplace_back([&, badge] {
      const Port port = Port::Adopt(server.CallHandle(badge)->Release());
      for (uint64_t i = 0; i < 100; ++i) {
        PortMessage message;
        message.word[0] = i;
        if (i == 50) message.send[0] = n.handle();
        ASSERT_TRUE(port.Call(message).ok());
        ASSERT_EQ(message.word[0], i * 1000 + badge);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(n.Poll(), 3u);

  // Across processes: words travel, a handle is refused.
  const pid_t child = fork();
  if (child == 0) {
    PortMessage message;
    message.word[0] = 7;
    _exit(server.Call(message).ok() && message.word[0] == 7000 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);

  std::thread last([&] {
    PortMessage message;
    message.word[0] = kLast;
    EXPECT_TRUE(server.Call(message).ok());
  });
  serving.join();
  // The server's thread ended with the last caller still waiting; another server thread answers it
  // and takes one more request.
  std::thread answering([&] {
    PortMessage message;
    EXPECT_TRUE(server.ReplyAndWait(message).ok());
  });
  last.join();
  const pid_t unanswered = fork();
  if (unanswered == 0) {
    PortMessage message;
    static_cast<void>(server.Call(message));
    _exit(0);
  }
  answering.join();
  kill(unanswered, SIGKILL);
  waitpid(unanswered, nullptr, 0);
}

TEST(Service, NamedCapabilities) {
  host::SetServiceName("xenstore");
  host::SetCapability("first", 5);
  host::SetCapability("second", 6, 77);
  host::SetCapability("first", 7);
  EXPECT_STREQ(Service().name, "xenstore");
  EXPECT_EQ(FindCapability("first"), 7u);
  EXPECT_EQ(FindNamed("second")->value, 77u);
  EXPECT_EQ(FindCapability("sec"), kNullCap);
  EXPECT_EQ(FindNamed(""), nullptr);
  EXPECT_EQ(Boot(), nullptr);
}

TEST(AddressWindow, RangesNeverTouch) {
  AddressWindow window(0x40000000, 0x40000000 + 100 * 4096);
  std::map<uint64_t, uint64_t> taken;
  std::mt19937 random(3);
  int failures = 0;
  for (int i = 0; i < 20000; ++i) {
    if (random() % 2 == 0 || taken.empty()) {
      const uint64_t pages = 1 + random() % 8;
      const uint64_t align = 4096u << random() % 4;
      const uint64_t address = window.Allocate(pages, align);
      if (address == 0) {
        ++failures;
        continue;
      }
      ASSERT_EQ(address % align, 0u);
      ASSERT_GE(address, 0x40000000u);
      ASSERT_LE(address + (pages + 1) * 4096, 0x40000000u + 100 * 4096);
      const auto next = taken.lower_bound(address);
      ASSERT_TRUE(next == taken.end() || address + (pages + 1) * 4096 <= next->first);
      ASSERT_TRUE(next == taken.begin() ||
                  std::prev(next)->first + (std::prev(next)->second + 1) * 4096 <= address);
      taken[address] = pages;
    } else {
      const auto victim = std::next(taken.begin(), static_cast<int>(random() % taken.size()));
      window.Free(victim->first, victim->second);
      taken.erase(victim);
    }
  }
  EXPECT_GT(failures, 0);
  for (const auto& [address, pages] : taken) window.Free(address, pages);
  EXPECT_EQ(window.Allocate(99), 0x40000000u) << "all is one range again";
  EXPECT_EQ(window.Allocate(~uint64_t{0} / 4096), 0u);
}

}  // namespace
}  // namespace pyrene::runtime
