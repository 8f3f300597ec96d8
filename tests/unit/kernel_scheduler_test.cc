// SPDX-License-Identifier: Apache-2.0
//
// Scheduling, waiting and calling, step by step on the fake machine. A tick is a microsecond; every
// look at the counter is a tick, so times are compared with some slack.
#include <vector>

#include "gtest/gtest.h"
#include "tests/unit/kernel_machine.h"

namespace pyrene::kernel_test {
namespace {

constexpr uint64_t kSlice = 5000;
constexpr ThreadParameters On(uint32_t cpu, uint8_t priority, uint16_t weight = 256) {
  return {priority, static_cast<uint8_t>(cpu), weight};
}

class KernelScheduler : public testing::Test {
 protected:
  explicit KernelScheduler(uint32_t cpus = 2) : machine_(cpus) {}
  // On CPU 1, which has nothing else to do.
  Thread& Started(uint8_t priority, uint16_t weight = 256, uint32_t cpu = 1) {
    CapIndex index;
    Thread& thread = machine_.NewThread(On(cpu, priority, weight), &index);
    EXPECT_EQ(machine_.Call(Syscall::kThreadStart, {index}).status, Status::kOk);
    machine_.Settle();
    indices_.emplace_back(&thread, index);
    return thread;
  }
  CapIndex IndexOf(const Thread& thread) const {
    for (const auto& [t, index] : indices_)
      if (t == &thread) return index;
    return kNullCap;
  }
  CapIndex NewNotification() {
    const CapIndex index = machine_.NextIndex();
    EXPECT_EQ(machine_.Call(Syscall::kNotificationCreate, {index}).status, Status::kOk);
    return index;
  }
  void Signal(CapIndex notification, uint64_t bits) {
    EXPECT_EQ(machine_.Call(Syscall::kNotificationSignal, {notification, bits}).status,
              Status::kOk);
    machine_.Settle();
  }
  void InvokePort(Thread& thread, Syscall number, CapIndex port,
                  std::initializer_list<uint64_t> words = {}) {
    thread.frame().x[9] = port;
    thread.frame().x[10] = thread.frame().x[11] = 0;
    machine_.Call(thread, number, words);
  }
  // Who runs on CPU 1, and for how long, while `ticks` pass.
  std::vector<std::pair<Thread*, uint64_t>> Watch(uint64_t ticks) {
    std::vector<std::pair<Thread*, uint64_t>> seen;
    constexpr uint64_t kStep = 100;
    for (uint64_t passed = 0; passed < ticks; passed += kStep) {
      Thread* running = KernelMachine::Running(1);
      if (seen.empty() || seen.back().first != running) seen.emplace_back(running, 0);
      seen.back().second += kStep;
      machine_.Pass(kStep);
    }
    return seen;
  }

  KernelMachine machine_;

 private:
  std::vector<std::pair<const Thread*, CapIndex>> indices_;
};

TEST_F(KernelScheduler, MostUrgentRuns) {
  EXPECT_EQ(KernelMachine::Running(1), nullptr);
  Thread& low = Started(3);
  EXPECT_EQ(KernelMachine::Running(1), &low);
  Thread& high = Started(9);
  EXPECT_EQ(KernelMachine::Running(1), &high);
  Started(5);
  EXPECT_EQ(KernelMachine::Running(1), &high);
  machine_.Call(high, Syscall::kThreadExit, {0});
  EXPECT_NE(KernelMachine::Running(1), &low);
  EXPECT_EQ(KernelMachine::Running(1)->priority(), 5u);
}

TEST_F(KernelScheduler, EqualsTakeTurnsBySlices) {
  Thread& a = Started(4);
  Thread& b = Started(4);
  Thread& c = Started(4, 512);
  const auto seen = Watch(10 * kSlice);
  ASSERT_GE(seen.size(), 6u);
  std::vector<Thread*> order = {&a, &b, &c};
  for (size_t i = 1; i + 1 < seen.size(); ++i) {
    EXPECT_NE(seen[i].first, seen[i - 1].first);
    const uint64_t expected = seen[i].first == &c ? 2 * kSlice : kSlice;
    EXPECT_NEAR(static_cast<double>(seen[i].second), static_cast<double>(expected), 0.1 * kSlice);
  }
  // Everybody once in three turns.
  for (size_t i = 1; i + 3 < seen.size(); ++i) EXPECT_EQ(seen[i].first, seen[i + 3].first);
}

TEST_F(KernelScheduler, PreemptedThreadKeepsTheRestOfItsSlice) {
  Thread& a = Started(4);
  Thread& b = Started(4);
  ASSERT_EQ(KernelMachine::Running(1), &a);
  machine_.Pass(kSlice / 2);
  ASSERT_EQ(KernelMachine::Running(1), &a);
  const CapIndex notification = NewNotification();
  Thread& urgent = Started(9);
  ASSERT_EQ(KernelMachine::Running(1), &urgent);
  machine_.Call(urgent, Syscall::kNotificationWait, {notification, 1, kNoDeadline});
  ASSERT_EQ(KernelMachine::Running(1), &a) << "in front of its equals";
  const auto seen = Watch(kSlice);
  EXPECT_LT(seen[0].second, 0.7 * kSlice);
  EXPECT_EQ(seen[1].first, &b);
}

TEST_F(KernelScheduler, YieldGoesBehindEquals) {
  Thread& a = Started(4);
  Thread& b = Started(4);
  Thread& low = Started(3);
  ASSERT_EQ(KernelMachine::Running(1), &a);
  EXPECT_EQ(machine_.Call(a, Syscall::kThreadYield).status, Status::kOk);
  EXPECT_EQ(KernelMachine::Running(1), &b);
  machine_.Call(b, Syscall::kThreadYield);
  EXPECT_EQ(KernelMachine::Running(1), &a);
  machine_.Call(a, Syscall::kThreadExit, {0});
  machine_.Call(b, Syscall::kThreadYield);
  EXPECT_EQ(KernelMachine::Running(1), &b) << "less urgent ones are not its equals";
  EXPECT_NE(KernelMachine::Running(1), &low);
}

TEST_F(KernelScheduler, WaitAndSignal) {
  const CapIndex notification = NewNotification();
  Thread& waiter = Started(4);
  machine_.Call(waiter, Syscall::kNotificationWait, {notification, 0xf0, kNoDeadline});
  EXPECT_EQ(waiter.state(), ThreadState::kBlocked);
  EXPECT_EQ(KernelMachine::Running(1), nullptr);
  Signal(notification, 0x0f);
  EXPECT_EQ(waiter.state(), ThreadState::kBlocked);
  Signal(notification, 0x30);
  EXPECT_EQ(KernelMachine::Running(1), &waiter);
  EXPECT_EQ(KernelMachine::AnswerOf(waiter).status, Status::kOk);
  EXPECT_EQ(KernelMachine::AnswerOf(waiter).value[0], 0x30u);
}

TEST_F(KernelScheduler, DeadlinesInTheirOrder) {
  const uint64_t start = fake::Counter() + 10000;
  std::vector<Thread*> threads;
  for (const uint64_t after : {5000, 1000, 3000, 4000, 2000}) {
    const CapIndex notification = NewNotification();
    Thread& thread = Started(4);
    machine_.Call(thread, Syscall::kNotificationWait, {notification, 1, start + after});
    threads.push_back(&thread);
  }
  EXPECT_EQ(KernelMachine::Running(1), nullptr);
  std::vector<Thread*> woken;
  for (int i = 0; i < 400 && woken.size() < 5; ++i) {
    machine_.Pass(50);
    if (Thread* running = KernelMachine::Running(1)) {
      EXPECT_EQ(KernelMachine::AnswerOf(*running).status, Status::kTimeout);
      woken.push_back(running);
      machine_.Call(*running, Syscall::kThreadExit, {0});
    }
  }
  EXPECT_EQ(woken,
            (std::vector<Thread*>{threads[1], threads[4], threads[2], threads[3], threads[0]}));
}

TEST_F(KernelScheduler, BudgetIsRefilledByPeriods) {
  Thread& limited = Started(8);
  Thread& rest = Started(2);
  ASSERT_EQ(
      machine_.Call(Syscall::kThreadSet, {IndexOf(limited), On(1, 8).Pack(), 2000, 10000}).status,
      Status::kOk);
  machine_.Settle();
  // In small steps: what a late timer lets it use too much, it would owe.
  Watch(20000);
  const auto seen = Watch(50000);
  uint64_t share = 0;
  for (const auto& [thread, ticks] : seen) {
    ASSERT_TRUE(thread == &limited || thread == &rest);
    if (thread == &limited) share += ticks;
  }
  EXPECT_NEAR(static_cast<double>(share), 10000, 2500);
  EXPECT_GE(seen.size(), 8u) << "in every period";
}

TEST_F(KernelScheduler, MovesWhateverItsState) {
  const CapIndex notification = NewNotification();
  Thread& thread = Started(4);
  const CapIndex index = IndexOf(thread);
  // Running, to a busy CPU.
  ASSERT_EQ(machine_.Call(Syscall::kThreadSet, {index, On(0, 4).Pack(), 0, 0}).status, Status::kOk);
  machine_.Settle();
  EXPECT_EQ(thread.cpu(), 0u);
  EXPECT_EQ(thread.state(), ThreadState::kReady);
  EXPECT_EQ(KernelMachine::Running(1), nullptr);
  EXPECT_EQ(KernelMachine::Running(0), &machine_.boss());
  // Ready, and back.
  ASSERT_EQ(machine_.Call(Syscall::kThreadSet, {index, On(1, 4).Pack(), 0, 0}).status, Status::kOk);
  machine_.Settle();
  EXPECT_EQ(KernelMachine::Running(1), &thread);
  // Blocked with a deadline, which goes along.
  machine_.Call(thread, Syscall::kNotificationWait, {notification, 1, fake::Counter() + 3000});
  ASSERT_EQ(machine_.Call(Syscall::kThreadSet, {index, On(0, 4).Pack(), 0, 0}).status, Status::kOk);
  EXPECT_EQ(thread.state(), ThreadState::kBlocked);
  machine_.Pass(4000);
  EXPECT_EQ(thread.state(), ThreadState::kReady);
  EXPECT_EQ(KernelMachine::AnswerOf(thread).status, Status::kTimeout);
}

// Registers that the kernel leaves in the hardware for whoever ran last.
TEST_F(KernelScheduler, LazyRegistersMoveAlong) {
  Thread& thread = Started(4);
  fake::Become(1);
  fake::Sysreg(fake::Register::sp_el0) = 0x1111;
  fake::Sysreg(fake::Register::tpidr_el0) = 0x2222;
  ASSERT_EQ(machine_.Call(Syscall::kThreadSet, {IndexOf(thread), On(0, 31).Pack(), 0, 0}).status,
            Status::kOk);
  machine_.Settle();
  EXPECT_EQ(thread.sp_el0, 0x1111u);
  EXPECT_EQ(thread.tpidr_el0, 0x2222u);
}

TEST_F(KernelScheduler, CallOnOneCpuRunsTheServerAtOnce) {
  const CapIndex port = machine_.NextIndex();
  ASSERT_EQ(machine_.Call(Syscall::kPortCreate, {port}).status, Status::kOk);
  Thread& server = Started(2);
  InvokePort(server, Syscall::kPortReplyWait, port);
  ASSERT_EQ(server.state(), ThreadState::kBlocked);
  Thread& middle = Started(5);
  Thread& client = Started(9);
  InvokePort(client, Syscall::kPortCall, port, {11, 12, 13, 14, 15, 16, 17, 18});
  ASSERT_EQ(KernelMachine::Running(1), &server);
  EXPECT_EQ(server.priority(), 9u);
  EXPECT_EQ(server.frame().x[0], 11u);
  EXPECT_EQ(server.frame().x[7], 18u);
  const uint64_t paid = client.cpu_time();
  machine_.Pass(kSlice * 3);
  EXPECT_EQ(KernelMachine::Running(1), &server) << "the middle one does not get between";
  InvokePort(server, Syscall::kPortReplyWait, port, {21, 22});
  EXPECT_EQ(KernelMachine::Running(1), &client);
  EXPECT_EQ(client.frame().x[0], 21u);
  EXPECT_EQ(static_cast<Status>(client.frame().x[8]), Status::kOk);
  machine_.Call(client, Syscall::kThreadExit, {0});
  EXPECT_EQ(KernelMachine::Running(1), &middle);
  EXPECT_GE(client.cpu_time() - paid, 3 * kSlice) << "on the caller's time";
  EXPECT_LT(server.cpu_time(), kSlice);
}

TEST_F(KernelScheduler, PriorityOfAServerThatIsQueued) {
  const CapIndex port = machine_.NextIndex();
  ASSERT_EQ(machine_.Call(Syscall::kPortCreate, {port}).status, Status::kOk);
  Thread& server = Started(2);
  InvokePort(server, Syscall::kPortReplyWait, port);
  Thread& client = Started(9);
  InvokePort(client, Syscall::kPortCall, port, {1});
  Thread& urgent = Started(12);
  Thread& middle = Started(5);
  ASSERT_EQ(KernelMachine::Running(1), &urgent);
  // The call ends while its server is in the queue of its caller's priority.
  ASSERT_EQ(machine_.Call(Syscall::kCapDelete, {port}).status, Status::kOk);
  machine_.Settle();
  EXPECT_EQ(server.priority(), 2u);
  machine_.Call(urgent, Syscall::kThreadExit, {0});
  EXPECT_EQ(KernelMachine::Running(1), &client);
  machine_.Call(client, Syscall::kThreadExit, {0});
  EXPECT_EQ(KernelMachine::Running(1), &middle);
  machine_.Call(middle, Syscall::kThreadExit, {0});
  EXPECT_EQ(KernelMachine::Running(1), &server);
  machine_.Call(server, Syscall::kThreadExit, {0});
  EXPECT_EQ(KernelMachine::Running(1), nullptr);
}

}  // namespace
}  // namespace pyrene::kernel_test
