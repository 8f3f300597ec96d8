// SPDX-License-Identifier: Apache-2.0
//
// Notifications: sticky bits, masks, deadlines, badges, rights, and their end.
#include <atomic>

#include "tests/kernel/child.h"
#include "tests/kernel/fixture.h"
#include "tests/kernel/task.h"

namespace pyrene::kernel_test {
namespace {

constexpr uint64_t kAll = ~uint64_t{0};

class NotificationTest : public KernelTest {
 protected:
  static uint64_t Poll(CapIndex notification, uint64_t mask = kAll) {
    const auto wakeup = sys::NotificationWait(notification, mask, kPoll);
    return wakeup.status == Status::kOk ? wakeup.bits : 0;
  }
};

TEST_F(NotificationTest, BitsStayUntilTheyAreTaken) {
  const CapIndex notification = NewNotification();
  ASSERT_EQ(sys::NotificationSignal(notification, 0x8000000000000001), Status::kOk);
  ASSERT_EQ(sys::NotificationSignal(notification, 0x6), Status::kOk);
  ASSERT_EQ(sys::NotificationSignal(notification, 0x4), Status::kOk);
  const auto wakeup = sys::NotificationWait(notification, kAll, kNoDeadline);
  EXPECT_EQ(wakeup.status, Status::kOk);
  EXPECT_EQ(wakeup.bits, 0x8000000000000007u);
  EXPECT_EQ(sys::NotificationWait(notification, kAll, kPoll).status, Status::kTimeout);
}

TEST_F(NotificationTest, OnlyMaskedBitsAreTaken) {
  const CapIndex notification = NewNotification();
  ASSERT_EQ(sys::NotificationSignal(notification, 0xff), Status::kOk);
  EXPECT_EQ(Poll(notification, 0x0f), 0x0fu);
  EXPECT_EQ(Poll(notification, 0x0f), 0u);
  EXPECT_EQ(Poll(notification), 0xf0u);
}

TEST_F(NotificationTest, SignalOfNothingWakesNobody) {
  const CapIndex notification = NewNotification();
  ASSERT_EQ(sys::NotificationSignal(notification, 0), Status::kOk);
  EXPECT_EQ(sys::NotificationWait(notification, kAll, InMilliseconds(2)).status, Status::kTimeout);
}

TEST_F(NotificationTest, DeadlinePassesNeitherEarlyNorNever) {
  const CapIndex notification = NewNotification();
  for (const uint64_t microseconds : {0, 1, 50, 1000, 20000}) {
    const uint64_t deadline = InMicroseconds(microseconds);
    EXPECT_EQ(sys::NotificationWait(notification, kAll, deadline).status, Status::kTimeout);
    EXPECT_GE(sys::Ticks(), deadline);
  }
  // Long past, but not the value that means "do not wait".
  EXPECT_EQ(sys::NotificationWait(notification, kAll, 1).status, Status::kTimeout);
}

TEST_F(NotificationTest, MaskOfNothingWaitsForTheDeadline) {
  const CapIndex notification = NewNotification();
  ASSERT_EQ(sys::NotificationSignal(notification, kAll), Status::kOk);
  EXPECT_EQ(sys::NotificationWait(notification, 0, InMilliseconds(2)).status, Status::kTimeout);
  EXPECT_EQ(Poll(notification), kAll);
}

TEST_F(NotificationTest, BadgeIsTheSetOfBitsThatMayBeSignalled) {
  const CapIndex notification = NewNotification();
  const CapIndex badged = Slot();
  ASSERT_EQ(sys::CapCopy(kNullCap, badged, notification, rights::kSignal, 0x30), Status::kOk);
  ASSERT_EQ(sys::NotificationSignal(badged, kAll), Status::kOk);
  EXPECT_EQ(Poll(notification), 0x30u);
  ASSERT_EQ(sys::NotificationSignal(badged, 0x11), Status::kOk);
  EXPECT_EQ(Poll(notification), 0x10u);
}

TEST_F(NotificationTest, RightsAreNeeded) {
  const CapIndex notification = NewNotification();
  const CapIndex signaller = Slot();
  const CapIndex waiter = Slot();
  ASSERT_EQ(sys::CapCopy(kNullCap, signaller, notification, rights::kSignal), Status::kOk);
  ASSERT_EQ(sys::CapCopy(kNullCap, waiter, notification, rights::kWait), Status::kOk);
  EXPECT_EQ(sys::NotificationWait(signaller, 1, kPoll).status, Status::kNoRight);
  EXPECT_EQ(sys::NotificationSignal(waiter, 1), Status::kNoRight);
  EXPECT_EQ(sys::NotificationSignal(signaller, 1), Status::kOk);
  EXPECT_EQ(sys::NotificationWait(waiter, 1, kPoll).status, Status::kOk);
  EXPECT_EQ(sys::DomainSupervise(NewDomain(4), waiter, 1), Status::kNoRight);
}

TEST_F(NotificationTest, Errors) {
  EXPECT_EQ(sys::NotificationSignal(Slot(), 1), Status::kBadCap);
  EXPECT_EQ(sys::NotificationSignal(kSelfThreadCap, 1), Status::kBadType);
  EXPECT_EQ(sys::NotificationWait(Slot(), 1, kPoll).status, Status::kBadCap);
  EXPECT_EQ(sys::NotificationWait(kSelfThreadCap, 1, kPoll).status, Status::kBadType);
  EXPECT_EQ(sys::NotificationCreate(kSelfThreadCap), Status::kOccupied);
  EXPECT_EQ(sys::NotificationCreate(kNullCap), Status::kBadArgument);
  EXPECT_EQ(sys::NotificationCreate(kMaxCaps), Status::kBadArgument);
}

// What a task that waits finds.
struct Waiter {
  CapIndex notification;
  uint64_t mask = kAll;
  uint64_t deadline = kNoDeadline;
  std::atomic<uint64_t> status{1};  // 1: not yet back
  std::atomic<uint64_t> bits{0};

  void operator()() {
    const auto wakeup = sys::NotificationWait(notification, mask, deadline);
    bits = wakeup.bits;
    status = static_cast<uint64_t>(wakeup.status);
  }
  Status Result() const { return static_cast<Status>(status.load()); }
};

TEST_F(NotificationTest, SignalWakesTheWaiterOfAnyCpu) {
  for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
    Waiter waiter{NewNotification(), 0xf0};
    TaskOf task(On(cpu), [&waiter] { waiter(); });
    task->Start();
    ASSERT_TRUE(task->Reaches(ThreadState::kBlocked));
    ASSERT_EQ(sys::NotificationSignal(waiter.notification, 0x0f), Status::kOk);
    Sleep(1000);
    EXPECT_EQ(task->State(), ThreadState::kBlocked) << "bits it does not wait for";
    ASSERT_EQ(sys::NotificationSignal(waiter.notification, 0x18), Status::kOk);
    ASSERT_TRUE(task->Ends());
    EXPECT_EQ(waiter.Result(), Status::kOk);
    EXPECT_EQ(waiter.bits, 0x10u);
    EXPECT_EQ(Poll(waiter.notification), 0x0fu);
  }
}

TEST_F(NotificationTest, DeadlineEndsAWaitOnAnyCpu) {
  for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
    Waiter waiter{NewNotification(), kAll, InMilliseconds(5)};
    TaskOf task(On(cpu), [&waiter] { waiter(); });
    task->Start();
    ASSERT_TRUE(task->Ends());
    EXPECT_EQ(waiter.Result(), Status::kTimeout);
    EXPECT_GE(sys::Ticks(), waiter.deadline);
  }
}

TEST_F(NotificationTest, SecondWaiterIsRefused) {
  Waiter waiter{NewNotification()};
  TaskOf task(On(Boot().cpus - 1), [&waiter] { waiter(); });
  task->Start();
  ASSERT_TRUE(task->Reaches(ThreadState::kBlocked));
  EXPECT_EQ(sys::NotificationWait(waiter.notification, kAll, Soon()).status, Status::kBusy);
  EXPECT_EQ(sys::NotificationWait(waiter.notification, kAll, kPoll).status, Status::kTimeout);
  ASSERT_EQ(sys::NotificationSignal(waiter.notification, 1), Status::kOk);
  EXPECT_TRUE(task->Ends());
  EXPECT_EQ(waiter.Result(), Status::kOk);
}

TEST_F(NotificationTest, WaiterIsToldOfTheEnd) {
  Waiter waiter{NewNotification()};
  TaskOf task(On(Boot().cpus - 1), [&waiter] { waiter(); });
  task->Start();
  ASSERT_TRUE(task->Reaches(ThreadState::kBlocked));
  ASSERT_EQ(sys::CapDelete(waiter.notification), Status::kOk);
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(waiter.Result(), Status::kGone);
}

// Losing the capability it waits by does not end a wait: the object lives.
TEST_F(NotificationTest, RevokedCapabilityDoesNotEndAWait) {
  const CapIndex notification = NewNotification();
  const CapIndex copy = Slot();
  ASSERT_EQ(sys::CapCopy(kNullCap, copy, notification, rights::kWait), Status::kOk);
  Waiter waiter{copy};
  TaskOf task(On(Boot().cpus - 1), [&waiter] { waiter(); });
  task->Start();
  ASSERT_TRUE(task->Reaches(ThreadState::kBlocked));
  ASSERT_EQ(sys::CapRevoke(notification), Status::kOk);
  ASSERT_EQ(sys::NotificationSignal(notification, 2), Status::kOk);
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(waiter.Result(), Status::kOk);
  EXPECT_EQ(waiter.bits, 2u);
}

// Deadlines of many threads on one CPU come in their order, whatever the order they were set in.
TEST_F(NotificationTest, DeadlinesOfManyThreads) {
  constexpr unsigned kWaiters = 24;
  const uint32_t cpu = Boot().cpus - 1;
  struct Sleeper {
    CapIndex notification;
    uint64_t deadline;
    std::atomic<uint64_t> woken{0};
    void operator()() {
      static_cast<void>(sys::NotificationWait(notification, 1, deadline));
      woken = sys::Ticks();
    }
  };
  std::vector<std::unique_ptr<Sleeper>> sleepers;
  std::vector<std::unique_ptr<Task>> tasks;
  const uint64_t start = InMilliseconds(30);
  for (unsigned i = 0; i < kWaiters; ++i) {
    auto sleeper = std::make_unique<Sleeper>();
    sleeper->notification = NewNotification();
    sleeper->deadline = start + (i * 7 % kWaiters) * sys::TickFrequency() / 1000;
    tasks.push_back(std::make_unique<Task>([](void* s) { (*static_cast<Sleeper*>(s))(); },
                                           sleeper.get(), On(cpu)));
    sleepers.push_back(std::move(sleeper));
  }
  for (auto& task : tasks) task->Start();
  // Some are woken before their time: the others' deadlines must not suffer.
  for (unsigned i = 0; i < kWaiters; i += 5)
    ASSERT_EQ(sys::NotificationSignal(sleepers[i]->notification, 1), Status::kOk);
  for (auto& task : tasks) ASSERT_TRUE(task->Ends());
  for (unsigned i = 0; i < kWaiters; ++i) {
    if (i % 5 != 0) {
      EXPECT_GE(sleepers[i]->woken, sleepers[i]->deadline) << i;
    }
  }
}

struct Remote {
  std::atomic<uint64_t> count;
  uint64_t rounds;
};
// In the child: 9 is what it waits for, 10 what it answers by.
void Echo(void* shared) {
  auto* remote = static_cast<Remote*>(shared);
  while (remote->count < remote->rounds) {
    if (sys::NotificationWait(9, ~uint64_t{0}, kNoDeadline).status != Status::kOk) return;
    remote->count = remote->count + 1;
    static_cast<void>(sys::NotificationSignal(10, ~uint64_t{0}));
  }
}

TEST_F(NotificationTest, TwoDomainsTakeTurns) {
  for (const uint32_t cpu : {0u, Boot().cpus - 1}) {
    Child child(*this);
    const CapIndex there = NewNotification();
    const CapIndex back = NewNotification();
    child.Give(9, there, rights::kWait);
    child.Give(10, back, rights::kSignal, 4);
    auto* remote = child.shared<Remote>();
    remote->rounds = Option("rounds", 300);
    const CapIndex thread = child.Run(Echo, On(cpu));
    for (uint64_t i = 0; i < remote->rounds; ++i) {
      ASSERT_EQ(sys::NotificationSignal(there, 1), Status::kOk);
      const auto wakeup = sys::NotificationWait(back, kAll, Soon());
      ASSERT_EQ(wakeup.status, Status::kOk) << i;
      ASSERT_EQ(wakeup.bits, 4u) << "its badge";
      ASSERT_EQ(remote->count, i + 1);
    }
    EXPECT_TRUE(child.Reaches(thread, ThreadState::kExited));
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
