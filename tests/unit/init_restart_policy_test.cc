// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "services/init/domid_allocator.h"
#include "services/init/restart_policy.h"

namespace pyrene::init {
namespace {

using runtime::kMillisecond;
using runtime::kSecond;

TEST(BackoffTest, DoublesUpToItsLimitAndStartsOverAfterAGoodLife) {
  Backoff backoff(10, 100);
  EXPECT_EQ(backoff.After(0), 10 * kMillisecond);
  EXPECT_EQ(backoff.After(0), 20 * kMillisecond);
  EXPECT_EQ(backoff.After(59 * kSecond), 40 * kMillisecond);
  EXPECT_EQ(backoff.After(0), 80 * kMillisecond);
  EXPECT_EQ(backoff.After(0), 100 * kMillisecond);
  EXPECT_EQ(backoff.After(0), 100 * kMillisecond);
  EXPECT_EQ(backoff.After(60 * kSecond), 10 * kMillisecond);
  EXPECT_EQ(backoff.After(0), 20 * kMillisecond);
}

TEST(BackoffTest, ALimitBelowTheFirstWaitDoesNotShortenIt) {
  Backoff backoff(10, 5);
  EXPECT_EQ(backoff.After(0), 10 * kMillisecond);
  EXPECT_EQ(backoff.After(0), 10 * kMillisecond);
}

TEST(HeartbeatTest, AnsweredPingsKeepItAlive) {
  Heartbeat heartbeat(1000);
  EXPECT_EQ(heartbeat.due(), runtime::kNever);
  heartbeat.Start(kSecond);
  EXPECT_EQ(heartbeat.due(), 11 * kSecond);  // the first period is at least ten seconds
  ASSERT_TRUE(heartbeat.Next(11 * kSecond, true));
  for (uint64_t beat = 1; beat < 5; ++beat) {
    EXPECT_EQ(heartbeat.number(), beat);
    EXPECT_EQ(heartbeat.due(), (11 + beat) * kSecond);
    heartbeat.Pong(beat);
    ASSERT_TRUE(heartbeat.Next((11 + beat) * kSecond, true));
  }
}

TEST(HeartbeatTest, SilenceAndWrongNumbersAreItsEnd) {
  Heartbeat heartbeat(1000);
  heartbeat.Start(0);
  ASSERT_TRUE(heartbeat.Next(10 * kSecond, true));
  heartbeat.Pong(heartbeat.number() + 1);
  EXPECT_FALSE(heartbeat.Next(11 * kSecond, true));
}

TEST(HeartbeatTest, AServiceThatNeverBecameReadyIsNotWaitedForLonger) {
  Heartbeat heartbeat(20000);
  heartbeat.Start(0);
  EXPECT_EQ(heartbeat.due(), 20 * kSecond);
  EXPECT_FALSE(heartbeat.Next(20 * kSecond, false));
}

TEST(HeartbeatTest, AServiceThatIsReadyIsAskedAfterOnePeriod) {
  Heartbeat heartbeat(1000);
  heartbeat.Start(0);
  heartbeat.Ready(2 * kSecond);
  EXPECT_EQ(heartbeat.due(), 3 * kSecond);
  ASSERT_TRUE(heartbeat.Next(3 * kSecond, true));
  EXPECT_FALSE(heartbeat.Next(4 * kSecond, true));
  heartbeat.Start(5 * kSecond);
  heartbeat.Ready(14500 * kMillisecond);
  EXPECT_EQ(heartbeat.due(), 15 * kSecond);  // not later than without
}

TEST(HeartbeatTest, APostponedPeriodBeginsAgain) {
  Heartbeat heartbeat(1000);
  heartbeat.Start(0);
  ASSERT_TRUE(heartbeat.Next(10 * kSecond, true));
  heartbeat.Postpone(11 * kSecond);
  EXPECT_EQ(heartbeat.due(), 12 * kSecond);
  heartbeat.Pong(1);
  EXPECT_TRUE(heartbeat.Next(12 * kSecond, true));
}

TEST(HeartbeatTest, ANewLifeOwesNoOldAnswer) {
  Heartbeat heartbeat(1000);
  heartbeat.Start(0);
  ASSERT_TRUE(heartbeat.Next(10 * kSecond, true));
  heartbeat.Stop();
  EXPECT_EQ(heartbeat.due(), runtime::kNever);
  heartbeat.Start(20 * kSecond);
  EXPECT_TRUE(heartbeat.Next(30 * kSecond, true));
}

TEST(HeartbeatTest, PeriodZeroIsNeverDue) {
  Heartbeat heartbeat(0);
  heartbeat.Start(5);
  EXPECT_EQ(heartbeat.due(), runtime::kNever);
}

TEST(DomidAllocatorTest, NoNumberComesAgainBeforeAllOthers) {
  DomidAllocator domids;
  std::set<uint16_t> live = {1, 5};
  const auto taken = [&live](uint16_t domid) { return live.count(domid) != 0; };
  EXPECT_EQ(domids.Next(taken), 2);
  EXPECT_EQ(domids.Next(taken), 3);
  EXPECT_EQ(domids.Next(taken), 4);
  EXPECT_EQ(domids.Next(taken), 6);
  for (unsigned next = 7; next <= DomidAllocator::kLast; ++next)
    ASSERT_EQ(domids.Next(taken), next);
  EXPECT_EQ(domids.Next(taken), 2);
}

}  // namespace
}  // namespace pyrene::init
