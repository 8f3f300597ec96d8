// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "runtime/event_loop.h"

namespace pyrene::runtime {
namespace {

class EventLoopTest : public testing::Test {
 protected:
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  std::string order_;
};

TEST_F(EventLoopTest, SourcesInOrderThenTimers) {
  loop_->AddTimer(1, [&] { order_ += 't'; });
  ASSERT_TRUE(loop_->AddSourceAt(9, [&] { order_ += 'b'; }).ok());
  EXPECT_EQ(*loop_->AddSource([&] { order_ += 'a'; }), 0u);
  loop_->notification().Signal(1 << 9 | 1 | 1 << 5);
  EXPECT_TRUE(loop_->RunOnce(kNow).ok());
  EXPECT_EQ(order_, "abt");
  EXPECT_TRUE(loop_->RunOnce(kNow).ok());
  EXPECT_EQ(order_, "abt");
}

TEST_F(EventLoopTest, SignalOfABitWithoutSourceIsForgotten) {
  loop_->notification().Signal(1);
  EXPECT_TRUE(loop_->RunOnce(kNow).ok());
  EXPECT_EQ(*loop_->AddSource([&] { order_ += 'a'; }), 0u);
  EXPECT_TRUE(loop_->RunOnce(kNow).ok());
  EXPECT_EQ(order_, "");
}

TEST_F(EventLoopTest, SourcesAreBounded) {
  for (unsigned i = 0; i < EventLoop::kMaxSources; ++i) EXPECT_EQ(*loop_->AddSource([] {}), i);
  EXPECT_TRUE(absl::IsResourceExhausted(loop_->AddSource([] {}).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(loop_->AddSourceAt(3, [] {})));
  EXPECT_TRUE(absl::IsOutOfRange(loop_->AddSourceAt(64, [] {})));
  loop_->RemoveSource(40);
  loop_->RemoveSource(64);
  EXPECT_EQ(*loop_->AddSource([] {}), 40u);
}

TEST_F(EventLoopTest, HandlerMayRemoveItselfAndOthers) {
  ASSERT_TRUE(loop_
                  ->AddSourceAt(0,
                                [&] {
                                  order_ += 'a';
                                  loop_->RemoveSource(0);
                                  loop_->RemoveSource(1);
                                })
                  .ok());
  ASSERT_TRUE(loop_->AddSourceAt(1, [&] { order_ += 'b'; }).ok());
  for (int i = 0; i < 2; ++i) {
    loop_->notification().Signal(3);
    EXPECT_TRUE(loop_->RunOnce(kNow).ok());
  }
  EXPECT_EQ(order_, "a");
}

TEST_F(EventLoopTest, TimersByDeadlineAndThenAge) {
  loop_->AddTimer(30, [&] { order_ += 'c'; });
  loop_->AddTimer(10, [&] { order_ += 'a'; });
  const EventLoop::TimerId cancelled = loop_->AddTimer(20, [&] { order_ += 'x'; });
  loop_->AddTimer(10, [&] { order_ += 'b'; });
  loop_->AddTimer(MonotonicNow() + 1000 * kSecond, [&] { order_ += 'y'; });
  loop_->CancelTimer(cancelled);
  loop_->CancelTimer(12345);
  EXPECT_TRUE(loop_->RunOnce().ok());
  EXPECT_EQ(order_, "abc");
}

TEST_F(EventLoopTest, TimerThatAddsADueTimerDoesNotStarveSources) {
  std::function<void()> again = [&] {
    order_ += 't';
    loop_->AddTimer(1, again);
  };
  loop_->AddTimer(1, again);
  ASSERT_TRUE(loop_
                  ->AddSourceAt(0,
                                [&] {
                                  order_ += 's';
                                  loop_->notification().Signal(1);
                                })
                  .ok());
  loop_->notification().Signal(1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(loop_->RunOnce().ok());
  EXPECT_EQ(order_, "ststst");
}

TEST_F(EventLoopTest, WaitsForTheNextTimer) {
  const uint64_t due = MonotonicNow() + 10 * kMillisecond;
  loop_->AddTimer(due, [&] { loop_->Stop(); });
  EXPECT_TRUE(loop_->Run().ok());
  EXPECT_GE(MonotonicNow(), due);
}

TEST_F(EventLoopTest, OtherThreadsReachItBySignals) {
  std::atomic<int> posted = 0;
  int seen = 0;
  ASSERT_TRUE(loop_
                  ->AddSourceAt(63,
                                [&] {
                                  seen = posted.load();
                                  if (seen == 1000) loop_->Stop();
                                })
                  .ok());
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) {
      ++posted;
      loop_->notification().Signal(uint64_t{1} << 63);
    }
  });
  EXPECT_TRUE(loop_->Run().ok());
  EXPECT_EQ(seen, 1000);
  other.join();
}

}  // namespace
}  // namespace pyrene::runtime
