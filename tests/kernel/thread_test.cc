// SPDX-License-Identifier: Apache-2.0
//
// Threads: creation, start, stop, end, parameters, and what registers they begin with.
#include <atomic>
#include <cstring>

#include "tests/kernel/child.h"
#include "tests/kernel/code.h"
#include "tests/kernel/fixture.h"
#include "tests/kernel/task.h"

namespace pyrene::kernel_test {
namespace {

// A task that counts until it is told to end.
struct Counter {
  std::atomic<uint64_t> value{0};
  std::atomic<bool> stop{false};
  void operator()() {
    while (!stop.load(std::memory_order_relaxed)) value.fetch_add(1, std::memory_order_relaxed);
  }
  bool Advances() const {
    const uint64_t before = value;
    return Eventually([this, before] { return value != before; });
  }
  bool StandsStill() const {
    const uint64_t before = value;
    Sleep(20000);
    return value == before;
  }
};

class ThreadTest : public KernelTest {
 protected:
  static uint32_t LastCpu() { return Boot().cpus - 1; }
};

TEST_F(ThreadTest, CreateErrors) {
  const auto create = [this](ThreadParameters parameters) {
    return sys::ThreadCreate(Slot(), kSelfDomainCap, 0, 0, 0, parameters);
  };
  const uint64_t before = UsedPages();
  EXPECT_EQ(create(On(0, kPriorities)), Status::kBadArgument);
  EXPECT_EQ(create(On(0, 255)), Status::kBadArgument);
  EXPECT_EQ(create(On(Boot().cpus)), Status::kBadArgument);
  EXPECT_EQ(create(On(255)), Status::kBadArgument);
  EXPECT_EQ(create(On(0, 1, 0)), Status::kBadArgument);
  EXPECT_EQ(sys::ThreadCreate(kSelfThreadCap, kSelfDomainCap, 0, 0, 0, On(0)), Status::kOccupied);
  EXPECT_EQ(sys::ThreadCreate(kNullCap, kSelfDomainCap, 0, 0, 0, On(0)), Status::kBadArgument);
  EXPECT_EQ(sys::ThreadCreate(Slot(), kSelfThreadCap, 0, 0, 0, On(0)), Status::kBadType);
  EXPECT_EQ(UsedPages(), before);
}

TEST_F(ThreadTest, CallsNeedAThreadWithControl) {
  const CapIndex weak = Slot();
  ASSERT_EQ(sys::CapCopy(kNullCap, weak, kSelfThreadCap, rights::kCopy), Status::kOk);
  const struct {
    CapIndex cap;
    Status expected;
  } cases[] = {
      {weak, Status::kNoRight}, {kSelfDomainCap, Status::kBadType}, {Slot(), Status::kBadCap}};
  for (const auto& c : cases) {
    EXPECT_EQ(sys::ThreadStart(c.cap), c.expected);
    EXPECT_EQ(sys::ThreadStop(c.cap), c.expected);
    EXPECT_EQ(sys::ThreadSet(c.cap, On(0), 0, 0), c.expected);
    EXPECT_EQ(sys::ThreadInfo(c.cap).status, c.expected);
  }
}

TEST_F(ThreadTest, NothingOutranksItsCreator) {
  struct Report {
    Status higher, equal, raised, lowered;
    CapIndex slot;
  } report = {};
  report.slot = Slot();
  TaskOf task(On(0, 10), [&report] {
    report.higher = sys::ThreadCreate(report.slot, kSelfDomainCap, 0, 0, 0, On(0, 11));
    report.equal = sys::ThreadCreate(report.slot, kSelfDomainCap, 0, 0, 0, On(0, 10));
    report.raised = sys::ThreadSet(report.slot, On(0, 11), 0, 0);
    report.lowered = sys::ThreadSet(report.slot, On(0, 9), 0, 0);
  });
  task->Start();
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(report.higher, Status::kNoRight);
  EXPECT_EQ(report.equal, Status::kOk);
  EXPECT_EQ(report.raised, Status::kNoRight);
  EXPECT_EQ(report.lowered, Status::kOk);
  EXPECT_EQ(sys::ThreadInfo(report.slot).parameters.priority, 9);
}

TEST_F(ThreadTest, FreshRegistersHoldTheArgumentAndNothingElse) {
  for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
    // Something of ours is in every register of that CPU first.
    RegisterWatch watch{.seed = 0x1234567800000000, .stop = 1};
    TaskOf dirt(On(cpu), [&watch] { kt_watch_registers(&watch); });
    dirt->Start();
    ASSERT_TRUE(dirt->Ends());
    static RegisterImage image;
    memset(&image, 0xff, sizeof(image));
    const CapIndex thread = Slot();
    ASSERT_EQ(
        sys::ThreadCreate(thread, kSelfDomainCap, reinterpret_cast<uint64_t>(&kt_store_registers),
                          0x123450, reinterpret_cast<uint64_t>(&image), On(cpu)),
        Status::kOk);
    EXPECT_EQ(sys::ThreadInfo(thread).state, ThreadState::kStopped);
    ASSERT_EQ(sys::ThreadStart(thread), Status::kOk);
    ASSERT_TRUE(Eventually([&] { return sys::ThreadInfo(thread).state == ThreadState::kExited; }));
    EXPECT_EQ(image.x[0], reinterpret_cast<uint64_t>(&image));
    EXPECT_EQ(image.x[31], 0x123450u);
    for (unsigned i = 1; i < 31; ++i) EXPECT_EQ(image.x[i], 0u) << "x" << i;
    for (unsigned i = 0; i < 64; ++i) EXPECT_EQ(image.q[i], 0u) << "q" << i / 2;
    EXPECT_EQ(image.tpidr, 0u);
    EXPECT_EQ(image.nzcv, 0u);
    EXPECT_EQ(image.fpcr, 0u);
    EXPECT_EQ(image.fpsr, 0u);
  }
}

TEST_F(ThreadTest, InfoTellsStateTimeAndParameters) {
  Counter counter;
  TaskOf task(On(LastCpu(), 7, 512), [&counter] { counter(); });
  auto facts = sys::ThreadInfo(task->cap());
  EXPECT_EQ(facts.state, ThreadState::kStopped);
  EXPECT_EQ(facts.cpu_ticks, 0u);
  EXPECT_EQ(facts.parameters.priority, 7);
  EXPECT_EQ(facts.parameters.cpu, LastCpu());
  EXPECT_EQ(facts.parameters.weight, 512);
  task->Start();
  ASSERT_TRUE(counter.Advances());
  EXPECT_EQ(task->State(), ThreadState::kReady);
  Sleep(20000);
  counter.stop = true;
  ASSERT_TRUE(task->Ends());
  facts = sys::ThreadInfo(task->cap());
  EXPECT_GT(facts.cpu_ticks, sys::TickFrequency() / 1000);
}

TEST_F(ThreadTest, StopAndStart) {
  for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
    Counter counter;
    TaskOf task(On(cpu), [&counter] { counter(); });
    EXPECT_TRUE(counter.StandsStill());
    task->Start();
    EXPECT_TRUE(counter.Advances());
    EXPECT_EQ(sys::ThreadStart(task->cap()), Status::kOk) << "running already";
    ASSERT_EQ(sys::ThreadStop(task->cap()), Status::kOk);
    EXPECT_EQ(task->State(), ThreadState::kStopped);
    EXPECT_TRUE(counter.StandsStill());
    ASSERT_EQ(sys::ThreadStop(task->cap()), Status::kOk) << "stopped already";
    task->Start();
    EXPECT_TRUE(counter.Advances());
    counter.stop = true;
    EXPECT_TRUE(task->Ends());
  }
}

TEST_F(ThreadTest, ExitedThreadStaysSo) {
  TaskOf task(On(0), [] {});
  task->Start();
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(sys::ThreadStart(task->cap()), Status::kGone);
  EXPECT_EQ(sys::ThreadStop(task->cap()), Status::kOk);
  EXPECT_EQ(task->State(), ThreadState::kExited);
  EXPECT_EQ(sys::ThreadSet(task->cap(), On(LastCpu()), 0, 0), Status::kOk);
  EXPECT_EQ(task->State(), ThreadState::kExited);
}

// A task that waits for a notification and reports.
struct Waiter {
  CapIndex notification;
  uint64_t deadline = kNoDeadline;
  std::atomic<uint64_t> status{77};
  std::atomic<uint64_t> bits{0};
  void operator()() {
    const auto wakeup = sys::NotificationWait(notification, ~uint64_t{0}, deadline);
    bits = wakeup.bits;
    status = static_cast<uint64_t>(wakeup.status);
  }
};

TEST_F(ThreadTest, StartLeavesABlockedThreadBlocked) {
  Waiter waiter{NewNotification()};
  TaskOf task(On(LastCpu()), [&waiter] { waiter(); });
  task->Start();
  ASSERT_TRUE(task->Reaches(ThreadState::kBlocked));
  EXPECT_EQ(sys::ThreadStart(task->cap()), Status::kOk);
  Sleep(5000);
  EXPECT_EQ(task->State(), ThreadState::kBlocked);
  EXPECT_EQ(waiter.status, 77u);
  ASSERT_EQ(sys::NotificationSignal(waiter.notification, 5), Status::kOk);
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(waiter.status, static_cast<uint64_t>(Status::kOk));
  EXPECT_EQ(waiter.bits, 5u);
}

TEST_F(ThreadTest, StopEndsAWait) {
  for (const uint32_t cpu : {0u, LastCpu()}) {
    Waiter waiter{NewNotification(), InMilliseconds(30)};
    TaskOf task(On(cpu), [&waiter] { waiter(); });
    task->Start();
    ASSERT_TRUE(task->Reaches(ThreadState::kBlocked));
    ASSERT_EQ(sys::ThreadStop(task->cap()), Status::kOk);
    EXPECT_EQ(task->State(), ThreadState::kStopped);
    // Neither a signal nor its old deadline starts it.
    ASSERT_EQ(sys::NotificationSignal(waiter.notification, 1), Status::kOk);
    Sleep(40000);
    EXPECT_EQ(task->State(), ThreadState::kStopped);
    EXPECT_EQ(waiter.status, 77u);
    task->Start();
    ASSERT_TRUE(task->Ends());
    EXPECT_EQ(waiter.status, static_cast<uint64_t>(Status::kGone));
    EXPECT_EQ(sys::NotificationWait(waiter.notification, 1, kPoll).bits, 1u)
        << "the signal was not lost on it";
  }
}

TEST_F(ThreadTest, ThreadStopsItself) {
  std::atomic<uint64_t> passed{0};
  struct {
    CapIndex self;
  } own;
  TaskOf task(On(LastCpu()), [&passed, &own] {
    passed = 1;
    passed = sys::ThreadStop(own.self) == Status::kOk ? 2 : 3;
  });
  own.self = task->cap();
  task->Start();
  ASSERT_TRUE(Eventually([&] { return passed == 1 && task->State() == ThreadState::kStopped; }));
  Sleep(2000);
  EXPECT_EQ(passed, 1u);
  task->Start();
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(passed, 2u);
}

TEST_F(ThreadTest, ThreadDeletesItself) {
  const uint64_t before = UsedPages();
  for (const uint32_t cpu : {0u, LastCpu()}) {
    std::atomic<uint64_t> passed{0};
    struct {
      CapIndex self;
    } own;
    TaskOf task(On(cpu), [&passed, &own] {
      passed = 1;
      static_cast<void>(sys::CapDelete(own.self));
      passed = 2;
    });
    own.self = task->cap();
    task->Start();
    EXPECT_TRUE(Eventually([&] { return sys::ThreadInfo(own.self).status == Status::kBadCap; }));
    EXPECT_EQ(passed, 1u);
  }
  EXPECT_EQ(UsedPages(), before);
}

TEST_F(ThreadTest, RunningThreadIsDeleted) {
  const uint64_t before = UsedPages();
  for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
    Counter counter;
    auto task = std::make_unique<TaskOf<std::function<void()>>>(
        On(cpu), std::function<void()>([&counter] { counter(); }));
    (*task)->Start();
    ASSERT_TRUE(counter.Advances());
    task.reset();
    EXPECT_TRUE(counter.StandsStill());
  }
  EXPECT_EQ(UsedPages(), before);
}

TEST_F(ThreadTest, DomainCountsTheTimeOfItsThreads) {
  Child child(*this);
  const CapIndex thread = child.Run(
      [](void* shared) {
        auto* stop = static_cast<std::atomic<bool>*>(shared);
        while (!*stop) {
        }
      },
      On(LastCpu()));
  Sleep(30000);
  *child.shared<std::atomic<bool>>() = true;
  ASSERT_TRUE(child.Reaches(thread, ThreadState::kExited));
  const uint64_t ticks = sys::ThreadInfo(thread).cpu_ticks;
  EXPECT_GT(ticks, sys::TickFrequency() / 1000);
  EXPECT_EQ(sys::DomainAccount(child.domain()).cpu_ticks, ticks);
}

TEST_F(ThreadTest, ThreadMovesItself) {
  struct Report {
    CapIndex self = kNullCap;
    std::atomic<uint64_t> status[kMaxCpus] = {};
    std::atomic<uint64_t> cpu[kMaxCpus] = {};
    uint32_t cpus = 0;
    RegisterWatch watch{.seed = 0x5555000011112222, .stop = 1};
  } report;
  report.cpus = Boot().cpus;
  TaskOf task(On(0), [&report] {
    for (uint32_t cpu = 0; cpu < report.cpus; ++cpu) {
      report.status[cpu] = static_cast<uint64_t>(sys::ThreadSet(report.self, On(cpu), 0, 0));
      report.cpu[cpu] = sys::ThreadInfo(report.self).parameters.cpu;
      kt_watch_registers(&report.watch);
    }
  });
  report.self = task->cap();
  task->Start();
  ASSERT_TRUE(task->Ends());
  for (uint32_t cpu = 0; cpu < report.cpus; ++cpu) {
    EXPECT_EQ(static_cast<Status>(report.status[cpu].load()), Status::kOk) << cpu;
    EXPECT_EQ(report.cpu[cpu], cpu);
  }
  EXPECT_EQ(report.watch.errors, 0u);
}

// Moved by somebody else: running, ready or blocked, its registers go along.
TEST_F(ThreadTest, RegistersMoveAlong) {
  const uint64_t rounds = Option("rounds", 200);
  for (const uint64_t call : {0, 1, 2}) {
    RegisterWatch watch{.seed = 0xa5a5000000000000 + call,
                        .call = call,
                        .notification = NewNotification(),
                        .deadline = 100};
    TaskOf task(On(0), [&watch] { kt_watch_registers(&watch); });
    task->Start();
    for (uint64_t i = 0; i < rounds; ++i) {
      const uint64_t before = __atomic_load_n(&watch.rounds, __ATOMIC_RELAXED);
      ASSERT_EQ(sys::ThreadSet(task->cap(), On(static_cast<uint32_t>(i % Boot().cpus)), 0, 0),
                Status::kOk);
      ASSERT_TRUE(Eventually([&] {
        return __atomic_load_n(&watch.rounds, __ATOMIC_RELAXED) != before;
      })) << i;
    }
    __atomic_store_n(&watch.stop, 1, __ATOMIC_RELEASE);
    ASSERT_TRUE(task->Ends());
    EXPECT_EQ(watch.errors, 0u) << "call " << call << ", " << watch.rounds << " rounds";
  }
}

// FP registers are switched lazily: several threads per CPU, each with values of its own.
TEST_F(ThreadTest, RegistersOfManyThreadsStayApart) {
  constexpr unsigned kPerCpu = 3;
  RegisterWatch watch[kMaxCpus * kPerCpu] = {};
  std::vector<std::unique_ptr<Task>> tasks;
  for (unsigned i = 0; i < Boot().cpus * kPerCpu; ++i) {
    watch[i].seed = (uint64_t{i} + 1) << 40 | i;
    watch[i].call = i % 3;
    watch[i].notification = NewNotification();
    watch[i].deadline = sys::TickFrequency() / 5000;
    tasks.push_back(
        std::make_unique<Task>([](void* w) { kt_watch_registers(static_cast<RegisterWatch*>(w)); },
                               &watch[i], On(i % Boot().cpus)));
  }
  for (auto& task : tasks) task->Start();
  Sleep(Option("milliseconds", 300) * 1000);
  for (auto& w : watch) __atomic_store_n(&w.stop, 1, __ATOMIC_RELEASE);
  for (unsigned i = 0; i < tasks.size(); ++i) {
    ASSERT_TRUE(tasks[i]->Ends()) << i;
    EXPECT_EQ(watch[i].errors, 0u) << i;
    EXPECT_GT(watch[i].rounds, 0u) << i;
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
