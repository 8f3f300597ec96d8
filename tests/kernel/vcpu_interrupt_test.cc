// SPDX-License-Identifier: Apache-2.0
//
// List registers, the maintenance interrupt and the virtual timer.
#include <memory>

#include "tests/kernel/guest.h"
#include "tests/kernel/task.h"

namespace pyrene::kernel_test {
namespace {

namespace lr = list_register;

class VcpuInterruptTest : public KernelTest {
 protected:
  static uint32_t LastCpu() { return Boot().cpus - 1; }
  static uint64_t Ticks(uint64_t microseconds) {
    return sys::TickFrequency() * microseconds / 1000000;
  }
  // A guest that listens, in the middle of it.
  static void Listen(Guest& guest) { guest.Begin(0, kg_listen, guest.PageOf(0)); }
  static void Inject(VcpuState& state, unsigned index, uint32_t intid) {
    state.gic.lr[index] = PendingInterrupt(intid);
    state.gic.used |= 1u << index;
  }
};

// A guest that runs on another CPU, until the end of the scope.
class Running {
 public:
  Running(const Guest& guest, unsigned i, ThreadParameters parameters)
      : guest_(guest), i_(i), vmm_(guest, i), task_(parameters, [this] { vmm_(); }) {
    task_->Start();
  }
  ~Running() {
    EXPECT_EQ(sys::VcpuKick(guest_.vcpu(i_)), Status::kOk);
    EXPECT_TRUE(task_->Ends());
  }
  Vmm& vmm() { return vmm_; }
  Task& task() { return *task_; }

 private:
  const Guest& guest_;
  unsigned i_;
  Vmm vmm_;
  TaskOf<std::function<void()>> task_;
};

TEST_F(VcpuInterruptTest, PendingInterruptIsTaken) {
  Guest guest(*this);
  Listen(guest);
  VcpuState& state = guest.state();
  Inject(state, 0, 40);
  Inject(state, 2, 41);
  auto* page = guest.Page<TimerPage>();
  {
    Running running(guest, 0, On(LastCpu()));
    EXPECT_TRUE(Eventually(
        [&] { return __atomic_load_n(&page->other_interrupts, __ATOMIC_RELAXED) == 2; }));
  }
  EXPECT_EQ(state.gic.used, 0u) << "ended ones are given back";
  EXPECT_EQ(page->other_interrupts, 2u);
  EXPECT_EQ(page->timer_interrupts, 0u);
}

TEST_F(VcpuInterruptTest, PendingInterruptEndsAWaitBeforeItBegins) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  guest.state().gic.timer_template = PendingInterrupt(kTimerIntid);
  Inject(guest.state(), 1, 40);
  const auto exit = guest.Run(0, run_flags::kBlock);
  EXPECT_EQ(exit.reason, ExitReason::kException);
  EXPECT_EQ(guest.state().x[0], 1u);
}

TEST_F(VcpuInterruptTest, ActiveInterruptDoesNotEndAWait) {
  Guest guest(*this);
  guest.Begin(0, kg_wait, guest.PageOf(0));
  guest.state().gic.lr[0] = 40 | lr::kActive;
  guest.state().gic.used = 1;
  Running running(guest, 0, On(LastCpu()));
  ASSERT_TRUE(Eventually(
      [&] { return running.vmm().waits == 1 && running.task().State() == ThreadState::kBlocked; }));
  Sleep(2000);
  EXPECT_EQ(running.task().State(), ThreadState::kBlocked);
}

TEST_F(VcpuInterruptTest, HardwareInterruptsAreRefused) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  VcpuState& state = guest.state();
  for (unsigned i = 0; i < Boot().list_registers; ++i) {
    state.gic.lr[i] = PendingInterrupt(40) | lr::kHardware | 33u << 10;
    state.gic.used = 1u << i;
    const auto exit = guest.Run();
    ASSERT_EQ(exit.status, Status::kOk);
    EXPECT_EQ(exit.reason, ExitReason::kBadState) << i;
  }
  state.gic.used = 0;
  EXPECT_EQ(guest.Run().reason, ExitReason::kException);
  EXPECT_EQ(state.x[0], 1u);
}

TEST_F(VcpuInterruptTest, ListRegistersThatDoNotExistAreIgnored) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  VcpuState& state = guest.state();
  for (uint32_t& value : state.gic.lr) value = PendingInterrupt(40) | lr::kHardware;
  for (unsigned i = 0; i < Boot().list_registers; ++i) state.gic.lr[i] = 0;
  state.gic.used = ~0u << Boot().list_registers;
  EXPECT_EQ(guest.Run().reason, ExitReason::kException);
}

TEST_F(VcpuInterruptTest, ListRegistersOfGuestsStayApart) {
  Guest one(*this), two(*this);
  Listen(one);
  two.Begin(0, kg_hvc);
  // Pending in the first, masked; the second, on the same CPU, must not get it.
  one.state().pc = one.Program(kg_hvc);
  one.state().pstate |= 0x80;
  Inject(one.state(), 0, 40);
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(one.Run().reason, ExitReason::kException);
    ASSERT_EQ(one.state().gic.used, 1u) << "still pending";
    ASSERT_EQ(one.state().gic.lr[0], PendingInterrupt(40));
    ASSERT_EQ(two.Run().reason, ExitReason::kException);
    ASSERT_EQ(two.state().gic.used, 0u);
    ASSERT_EQ(two.state().x[0], static_cast<uint64_t>(i) + 1);
  }
}

TEST_F(VcpuInterruptTest, MaintenanceWhenListRegistersRunLow) {
  Guest guest(*this);
  Listen(guest);
  VcpuState& state = guest.state();
  auto* page = guest.Page<TimerPage>();
  const unsigned count = Boot().list_registers;
  for (unsigned i = 0; i < count; ++i) Inject(state, i, 40 + i);
  state.gic.underflow = 1;
  uint64_t more = 10;  // interrupts that did not fit
  uint32_t next = 40 + count;
  for (int rounds = 0; rounds < 100 && page->other_interrupts < count + 10; ++rounds) {
    const auto exit = guest.Run();
    ASSERT_EQ(exit.status, Status::kOk);
    ASSERT_EQ(exit.reason, ExitReason::kMaintenance);
    for (unsigned i = 0; i < count && more != 0; ++i) {
      if ((state.gic.used >> i & 1) != 0) continue;
      Inject(state, i, next++);
      --more;
    }
    if (more == 0) {
      state.gic.underflow = 0;
      Running running(guest, 0, On(0));
      ASSERT_TRUE(Eventually([&] {
        return __atomic_load_n(&page->other_interrupts, __ATOMIC_RELAXED) == count + 10;
      }));
    }
  }
  EXPECT_EQ(page->other_interrupts, count + 10);
}

// The guest leaves with the maintenance interrupt pending: it must not fire for ever in the VMM.
TEST_F(VcpuInterruptTest, MaintenanceThatComesTooLate) {
  const unsigned count = Boot().list_registers;
  for (int round = 0; round < 50; ++round) {
    Guest guest(*this);
    VcpuState& state = guest.state();
    guest.Begin(0, kg_acknowledge, 0, count);
    for (unsigned i = 0; i < count; ++i) Inject(state, i, 40 + i);
    state.gic.underflow = 1;
    unsigned maintenance = 0;
    for (;;) {
      const auto exit = guest.Run();
      ASSERT_EQ(exit.status, Status::kOk);
      if (exit.reason != ExitReason::kMaintenance) {
        ASSERT_EQ(exit.reason, ExitReason::kException);
        break;
      }
      ASSERT_LT(++maintenance, 10u);
      // Nothing left to inject: as a VMM does then.
      state.gic.underflow = 0;
    }
    // Here the VMM would be stuck.
    EXPECT_EQ(state.gic.used, 0u);
    TearDown();
  }
}

TEST_F(VcpuInterruptTest, TimerInterruptIsInjected) {
  for (const uint64_t idle : {0, 1}) {
    for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
      Guest guest(*this);
      guest.Begin(0, kg_timer, guest.PageOf(0), Ticks(500));
      guest.state().gic.timer_template = PendingInterrupt(kTimerIntid);
      auto* page = guest.Page<TimerPage>();
      page->idle = idle;
      Running running(guest, 0, On(cpu));
      ASSERT_TRUE(Eventually([&] {
        return __atomic_load_n(&page->timer_interrupts, __ATOMIC_RELAXED) >= 20;
      })) << "idle "
          << idle << " cpu " << cpu << ": " << page->timer_interrupts;
      EXPECT_EQ(page->other_interrupts, 0u);
      if (idle != 0) {
        EXPECT_GE(running.vmm().waits, 10u);
      }
    }
  }
}

// It fires while the guest computes with interrupts masked: exits show it, and runs keep it.
TEST_F(VcpuInterruptTest, InjectedTimerStaysOverExits) {
  for (int i = 0; i < 5; ++i) {
    Guest guest(*this);
    VcpuState& state = guest.state();
    state.gic.timer_template = PendingInterrupt(kTimerIntid);
    state.el1.cntv_cval = InMilliseconds(2);
    state.el1.cntv_ctl = 1;
    guest.Begin(0, kg_linger);
    const uint64_t limit = Soon();
    do {
      state.x[0] = InMilliseconds(4);
      ASSERT_EQ(guest.Run().reason, ExitReason::kException);
    } while (state.gic.used == 0 && sys::Ticks() < limit);
    for (int exits = 0; exits < 10; ++exits) {
      ASSERT_EQ(state.gic.used, 1u) << exits;
      ASSERT_EQ(state.gic.lr[0], PendingInterrupt(kTimerIntid)) << exits;
      ASSERT_EQ(guest.Run().reason, ExitReason::kException);
    }
  }
}

TEST_F(VcpuInterruptTest, TimerWithoutTemplateIsAnExit) {
  Guest guest(*this);
  guest.Begin(0, kg_timer, guest.PageOf(0), Ticks(300));
  VcpuState& state = guest.state();
  auto* page = guest.Page<TimerPage>();
  for (uint64_t i = 0; i < 10; ++i) {
    const auto exit = guest.Run();
    ASSERT_EQ(exit.status, Status::kOk);
    ASSERT_EQ(exit.reason, ExitReason::kTimer);
    ASSERT_EQ(page->timer_interrupts, i);
    Inject(state, 0, kTimerIntid);
  }
}

TEST_F(VcpuInterruptTest, TimerWithFullListRegistersIsAnExit) {
  Guest guest(*this);
  guest.Begin(0, kg_timer, guest.PageOf(0), Ticks(300));
  VcpuState& state = guest.state();
  state.gic.timer_template = PendingInterrupt(kTimerIntid);
  for (unsigned i = 0; i < Boot().list_registers; ++i) {
    state.gic.lr[i] = (40 + i) | lr::kActive;
    state.gic.used |= 1u << i;
  }
  EXPECT_EQ(guest.Run().reason, ExitReason::kTimer);
  EXPECT_EQ(guest.Page<TimerPage>()->timer_interrupts, 0u);
  state.gic.used = 0;
  Inject(state, 0, kTimerIntid);
  Running running(guest, 0, On(0));
  EXPECT_TRUE(Eventually([&] {
    return __atomic_load_n(&guest.Page<TimerPage>()->timer_interrupts, __ATOMIC_RELAXED) > 5;
  }));
}

TEST_F(VcpuInterruptTest, TimerEndsAWaitOfAVcpuThatIsNotLoaded) {
  // Its first run is a wait already: the deadline comes from the state page.
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  VcpuState& state = guest.state();
  state.el1.cntv_cval = InMilliseconds(5);
  state.el1.cntv_ctl = 1;
  const uint64_t deadline = state.el1.cntv_cval;
  const auto exit = guest.Run(0, run_flags::kBlock);
  EXPECT_GE(sys::Ticks(), deadline);
  EXPECT_TRUE(exit.reason == ExitReason::kTimer || exit.reason == ExitReason::kException);
}

TEST_F(VcpuInterruptTest, VirtualOffsetShiftsTheTimer) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  VcpuState& state = guest.state();
  const uint64_t now = sys::Ticks();
  state.el1.cntvoff = now;  // the guest's time begins here
  state.el1.cntv_cval = Ticks(4000);
  state.el1.cntv_ctl = 1;
  guest.Run(0, run_flags::kBlock);
  EXPECT_GE(sys::Ticks(), now + Ticks(4000));
}

// Two guests on one CPU, each with a timer: whoever is not loaded must be woken all the same.
TEST_F(VcpuInterruptTest, TimersOfTwoGuestsOnOneCpu) {
  for (const uint64_t second_idle : {0, 1}) {
    Guest one(*this), two(*this);
    for (Guest* guest : {&one, &two}) {
      guest->Begin(0, kg_timer, guest->PageOf(0), Ticks(guest == &one ? 700 : 1100));
      guest->state().gic.timer_template = PendingInterrupt(kTimerIntid);
    }
    one.Page<TimerPage>()->idle = 1;
    two.Page<TimerPage>()->idle = second_idle;
    Running first(one, 0, On(LastCpu(), 5));
    Running second(two, 0, On(LastCpu(), 5));
    for (Guest* guest : {&one, &two}) {
      auto* page = guest->Page<TimerPage>();
      EXPECT_TRUE(Eventually([&] {
        return __atomic_load_n(&page->timer_interrupts, __ATOMIC_RELAXED) >= 30;
      })) << (guest == &one ? "first " : "second ")
          << page->timer_interrupts << " idle " << second_idle;
    }
  }
}

// The sleeper is woken though a guest that never exits has the CPU, at the same priority and at a
// lower one.
TEST_F(VcpuInterruptTest, SleeperBesideAGuestThatComputes) {
  for (const uint8_t priority : {5, 4}) {
    Guest sleeper(*this), busy(*this);
    sleeper.Begin(0, kg_timer, sleeper.PageOf(0), Ticks(1000));
    sleeper.state().gic.timer_template = PendingInterrupt(kTimerIntid);
    auto* page = sleeper.Page<TimerPage>();
    page->idle = 1;
    busy.Begin(0, kg_count, busy.PageOf(0));
    Running first(sleeper, 0, On(LastCpu(), 5));
    Running second(busy, 0, On(LastCpu(), priority));
    EXPECT_TRUE(Eventually([&] {
      return __atomic_load_n(&page->timer_interrupts, __ATOMIC_RELAXED) >= 30;
    })) << page->timer_interrupts
        << " priority " << int{priority};
    const auto* count = busy.Page<std::atomic<uint64_t>>();
    const uint64_t before = *count;
    EXPECT_TRUE(Eventually([&] { return *count != before; }));
  }
}

// Moved while its timer is pending, whatever it does at the time.
TEST_F(VcpuInterruptTest, TimerMovesAlong) {
  for (const uint64_t idle : {0, 1}) {
    Guest guest(*this);
    guest.Begin(0, kg_timer, guest.PageOf(0), Ticks(1500));
    guest.state().gic.timer_template = PendingInterrupt(kTimerIntid);
    auto* page = guest.Page<TimerPage>();
    page->idle = idle;
    Running running(guest, 0, On(0));
    const uint64_t rounds = Option("rounds", 60);
    for (uint64_t i = 0; i < rounds; ++i) {
      const uint64_t before = __atomic_load_n(&page->timer_interrupts, __ATOMIC_RELAXED);
      ASSERT_EQ(
          sys::ThreadSet(running.task().cap(), On(static_cast<uint32_t>(i % Boot().cpus)), 0, 0),
          Status::kOk);
      ASSERT_TRUE(Eventually([&] {
        return __atomic_load_n(&page->timer_interrupts, __ATOMIC_RELAXED) > before;
      })) << "idle "
          << idle << " round " << i;
    }
  }
}

// The same vCPU, run by one thread after the other on different CPUs.
TEST_F(VcpuInterruptTest, TimerFollowsFromThreadToThread) {
  Guest guest(*this);
  guest.Begin(0, kg_timer, guest.PageOf(0), Ticks(1000));
  guest.state().gic.timer_template = PendingInterrupt(kTimerIntid);
  auto* page = guest.Page<TimerPage>();
  for (int i = 0; i < 30; ++i) {
    page->idle = i / 2 % 2;
    const uint64_t before = page->timer_interrupts;
    Running running(guest, 0, On(static_cast<uint32_t>(i) % Boot().cpus));
    ASSERT_TRUE(Eventually([&] {
      return __atomic_load_n(&page->timer_interrupts, __ATOMIC_RELAXED) > before;
    })) << i;
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
