// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "proto/ring.h"
#include "runtime/host/objects.h"
#include "runtime/memory.h"
#include "runtime/notification.h"

namespace pyrene::proto {
namespace {

using runtime::kPageBytes;

int Rounds(int otherwise) {
  const char* const rounds = std::getenv("PYRENE_ROUNDS");
  return rounds != nullptr ? std::atoi(rounds) : otherwise;
}

class RingTest : public testing::Test {
 protected:
  static constexpr uint32_t kBytes = 1024;

  RingTest() {
    ring_.producer = reinterpret_cast<ProducerLine*>(memory_.data());
    ring_.consumer = reinterpret_cast<ConsumerLine*>(memory_.data() + 64);
    ring_.data = memory_.data() + kPageBytes;
    ring_.bytes = kBytes;
    producer_ = RingProducer(ring_);
    consumer_ = RingConsumer(ring_);
    EXPECT_EQ(producer_.Reset(), RingResult::kOk);
    EXPECT_EQ(consumer_.Reset(), RingResult::kOk);
  }

  RingResult Send(const std::string& text) { return producer_.Send(text.data(), text.size()); }
  // "-" for kWait and "!" for what is worse.
  std::string Receive() {
    char buffer[kMaxMessageBytes];
    size_t n = 0;
    switch (consumer_.Receive(buffer, n)) {
      case RingResult::kOk:
        return std::string(buffer, n);
      case RingResult::kWait:
        return "-";
      default:
        return "!";
    }
  }
  bool ProducerMustWake() {
    bool must = false;
    EXPECT_EQ(producer_.MustWakePeer(must), RingResult::kOk);
    return must;
  }
  bool ConsumerMustWake() {
    bool must = false;
    EXPECT_EQ(consumer_.MustWakePeer(must), RingResult::kOk);
    return must;
  }

  runtime::OwnedHandle handle_{
      *runtime::host::CreateObject(runtime::host::Kind::kMemory, 2 * kPageBytes)};
  runtime::Memory memory_ = *runtime::Memory::Map(handle_.get(), runtime::Access::kReadWrite);
  Ring ring_;
  RingProducer producer_;
  RingConsumer consumer_;
};

TEST_F(RingTest, MessagesInOrder) {
  EXPECT_EQ(Receive(), "-");
  EXPECT_EQ(Send("message1"), RingResult::kOk);
  EXPECT_EQ(Send("a longer message"), RingResult::kOk);
  EXPECT_EQ(Receive(), "message1");
  EXPECT_EQ(Receive(), "a longer message");
  EXPECT_EQ(Receive(), "-");
}

TEST_F(RingTest, RefusesWhatCanNeverFit) {
  EXPECT_EQ(Send(""), RingResult::kTooLarge);
  EXPECT_EQ(Send("1234567"), RingResult::kTooLarge);
  EXPECT_EQ(Send(std::string(kBytes, 'x')), RingResult::kTooLarge);
  EXPECT_EQ(Send(std::string(kBytes - 8, 'x')), RingResult::kOk);
  EXPECT_EQ(Send("12345678"), RingResult::kWait);
  EXPECT_EQ(Receive(), std::string(kBytes - 8, 'x'));
  EXPECT_EQ(Send("12345678"), RingResult::kOk);
}

TEST_F(RingTest, WrapsAtEveryOffset) {
  std::mt19937 random(5);
  std::deque<std::string> sent;
  for (int i = 0; i < Rounds(20000); ++i) {
    std::string text(8 * (1 + random() % 20), static_cast<char>('a' + i % 26));
    const RingResult result = Send(text);
    if (result == RingResult::kOk) sent.push_back(text);
    if (result == RingResult::kWait || random() % 2 == 0) {
      ASSERT_EQ(Receive(), sent.empty() ? "-" : sent.front());
      if (!sent.empty()) sent.pop_front();
    }
  }
}

TEST_F(RingTest, WakesOnlyWhoSleeps) {
  EXPECT_TRUE(Send("message1") == RingResult::kOk && ProducerMustWake())
      << "the first after a reset";
  EXPECT_EQ(Receive(), "message1");
  EXPECT_FALSE(ConsumerMustWake());
  EXPECT_TRUE(Send("message2") == RingResult::kOk && !ProducerMustWake())
      << "the consumer is at work";
  EXPECT_EQ(Receive(), "message2");
  EXPECT_EQ(Receive(), "-");
  EXPECT_EQ(Receive(), "-");
  EXPECT_TRUE(Send("message3") == RingResult::kOk && ProducerMustWake());
  while (Send(std::string(64, 'x')) != RingResult::kWait) {
  }
  EXPECT_EQ(Receive(), "message3");
  EXPECT_TRUE(ConsumerMustWake());
  EXPECT_FALSE(ProducerMustWake());
}

// A consumer that is about to look is not signalled, and is again once it has found nothing.
TEST_F(RingTest, WhoStaysAwakeIsNotWoken) {
  EXPECT_EQ(Receive(), "-");
  EXPECT_EQ(consumer_.StayAwake(), RingResult::kOk);
  EXPECT_EQ(Send("1 bcdefg"), RingResult::kOk);
  EXPECT_FALSE(ProducerMustWake());
  EXPECT_EQ(Receive(), "1 bcdefg");
  EXPECT_EQ(Receive(), "-");
  EXPECT_EQ(Send("2 bcdefg"), RingResult::kOk);
  EXPECT_TRUE(ProducerMustWake());
}

TEST_F(RingTest, ImpossibleIndicesAreBad) {
  EXPECT_EQ(Send("message1"), RingResult::kOk);
  for (const uint32_t lie : {kBytes + 8, 4u, 0xfffffff8u, 0x80000000u}) {
    const uint32_t truth = ring_.producer->head;
    ring_.producer->head = lie;
    EXPECT_EQ(Receive(), "!") << lie;
    ring_.producer->head = truth;
  }
  for (const uint32_t lie : {24u, 3u, 0x80000000u, 0u - kBytes}) {
    const uint32_t truth = ring_.consumer->tail;
    ring_.consumer->tail = lie;
    EXPECT_EQ(Send("message2"), RingResult::kBad) << lie;
    ring_.consumer->tail = truth;
  }
  EXPECT_EQ(Receive(), "message1");
}

TEST_F(RingTest, ImpossibleLengthsAreBad) {
  EXPECT_EQ(Send("message1"), RingResult::kOk);
  for (const uint64_t lie : {uint64_t{0}, uint64_t{4}, uint64_t{16}, uint64_t{kMaxMessageBytes} + 8,
                             uint64_t{1} << 32 | 8, ~uint64_t{7}}) {
    std::memcpy(ring_.data, &lie, sizeof(lie));
    EXPECT_EQ(Receive(), "!") << lie;
  }
}

TEST_F(RingTest, VanishedMemoryIsGone) {
  EXPECT_EQ(Send("message1"), RingResult::kOk);
  runtime::host::RevokeMemory(handle_.get());
  char buffer[kMaxMessageBytes];
  size_t n;
  bool must;
  EXPECT_EQ(Send("message2"), RingResult::kGone);
  EXPECT_EQ(consumer_.Receive(buffer, n), RingResult::kGone);
  EXPECT_EQ(producer_.MustWakePeer(must), RingResult::kGone);
  EXPECT_EQ(consumer_.MustWakePeer(must), RingResult::kGone);
  EXPECT_EQ(producer_.Reset(), RingResult::kGone);
  EXPECT_EQ(consumer_.Reset(), RingResult::kGone);
}

// Both ends sleep whenever they can, and are woken only when MustWakePeer says so: a lost wake-up
// would end in the timeout.
TEST_F(RingTest, TwoThreadsLoseNoMessageAndNoWakeUp) {
  const int count = Rounds(20000) * 5;
  const runtime::Notification for_consumer = *runtime::Notification::Create();
  const runtime::Notification for_producer = *runtime::Notification::Create();
  const auto deadline = [] { return runtime::MonotonicNow() + 20 * runtime::kSecond; };
  std::thread consuming([&] {
    char buffer[kMaxMessageBytes];
    size_t n;
    for (int next = 0; next < count;) {
      const RingResult result = consumer_.Receive(buffer, n);
      bool must = false;
      ASSERT_EQ(consumer_.MustWakePeer(must), RingResult::kOk);
      if (must) for_producer.Signal(1);
      if (result == RingResult::kWait) {
        ASSERT_TRUE(for_consumer.Wait(1, deadline()).ok()) << "message " << next;
        continue;
      }
      ASSERT_EQ(result, RingResult::kOk);
      ASSERT_EQ(n, 8u * (1 + next % 30));
      for (size_t i = 0; i < n; i += sizeof(int)) {
        int value;
        std::memcpy(&value, buffer + i, sizeof(value));
        ASSERT_EQ(value, next);
      }
      ++next;
    }
  });
  for (int next = 0; next < count;) {
    const std::vector<int> message(2 * (1 + next % 30), next);
    const RingResult result = producer_.Send(message.data(), message.size() * sizeof(int));
    bool must = false;
    ASSERT_EQ(producer_.MustWakePeer(must), RingResult::kOk);
    if (must) for_consumer.Signal(1);
    if (result == RingResult::kWait) {
      ASSERT_TRUE(for_producer.Wait(1, deadline()).ok()) << "message " << next;
      continue;
    }
    ASSERT_EQ(result, RingResult::kOk);
    ++next;
  }
  consuming.join();
}

// A peer that writes anything anywhere, all the time: every answer is one of the five, no byte
// outside the buffer is touched.
TEST_F(RingTest, PeerThatScribblesEverywhere) {
  std::atomic<bool> stop = false;
  std::thread scribbling([&] {
    std::mt19937 random(9);
    while (!stop) {
      uint32_t* const word =
          reinterpret_cast<uint32_t*>(memory_.data()) + random() % (2 * kPageBytes / 4);
      const uint32_t choices[] = {0, 8, 16, 1024, static_cast<uint32_t>(random())};
      __atomic_store_n(random() % 4 == 0 ? &ring_.producer->head : word, choices[random() % 5],
                       __ATOMIC_RELAXED);
    }
  });
  std::vector<uint8_t> buffer(kMaxMessageBytes + 64, 0x5a);
  for (int i = 0; i < Rounds(20000); ++i) {
    size_t n = 0;
    if (consumer_.Receive(buffer.data(), n) == RingResult::kOk) {
      ASSERT_LE(n, kBytes - 8);
    } else {
      static_cast<void>(consumer_.Reset());
    }
    static_cast<void>(Send("message1"));
  }
  stop = true;
  scribbling.join();
  for (size_t i = kBytes; i < buffer.size(); ++i) ASSERT_EQ(buffer[i], 0x5a);
}

}  // namespace
}  // namespace pyrene::proto
