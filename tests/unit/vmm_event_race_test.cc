// SPDX-License-Identifier: Apache-2.0
//
// Events sent by several threads to a vCPU that handles them at the same time, as Linux does: none
// may be lost, whatever the interleaving, masking and moving included. A fake vcpu_run delivers PPI
// 31 when a list register has it.
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

int Rounds(int standard) {
  const char* rounds = std::getenv("PYRENE_ROUNDS");
  return rounds != nullptr ? std::atoi(rounds) : standard;
}

// Shifts two threads against each other.
void Spin(int turns) {
  for (std::atomic<int> i{0}; i < turns; ++i) {
  }
}

// A guest's vCPU: runs until it is kicked or PPI 31 is pending, handles the upcall, and goes
// through HandleExit.
class GuestCpu {
 public:
  GuestCpu(TestGuest& guest, uint32_t cpu) : guest_(guest), cpu_(cpu) {
    guest.Ram<xen::RegisterVcpuInfo>(0x1000) = {(xen::kRam0Base >> 12) + 0x20 + cpu, 0, 0};
    EXPECT_EQ(guest.Call(24, {10, cpu, TestGuest::Va(0x1000)}, cpu), 0);
    guest.WriteGicd(0x0, 1, cpu);
    guest.WriteGicd(0x100, 1u << 31, cpu);
  }

  // vcpu_run(block): sleeps until a kick or a pending list register; then the guest takes the
  // interrupt.
  void RunOnce(std::atomic<uint64_t>* handled) {
    VcpuState::Gic& gic = guest_.state(cpu_).gic;
    const bool interrupt = gic.used != 0;
    if (!interrupt) {
      const int seen = kicks_seen_;
      guest_.host.kicks[cpu_].wait(seen);
      kicks_seen_ = guest_.host.kicks[cpu_];
    }
    if (interrupt) {
      gic.used = 0;  // acknowledged and ended
      Upcall(handled);
    }
    HandleExit(guest_.vcpu(cpu_), ExitReason::kKick);
  }

 private:
  void Upcall(std::atomic<uint64_t>* handled) {
    auto& info = guest_.Ram<xen::VcpuInfo>(0x20000 + cpu_ * 0x1000);
    do {
      GuestExchange(&info.upcall_pending, 0);
      uint64_t sel = __atomic_exchange_n(&info.pending_sel, uint64_t{0}, __ATOMIC_SEQ_CST);
      for (; sel != 0; sel &= sel - 1) {
        const int w = __builtin_ctzll(sel);
        uint64_t ready = GuestLoad(&guest_.shared().evtchn_pending[w]) &
                         ~GuestLoad(&guest_.shared().evtchn_mask[w]);
        for (; ready != 0; ready &= ready - 1) {
          const int bit = __builtin_ctzll(ready);
          GuestFetchAnd(&guest_.shared().evtchn_pending[w], ~(uint64_t{1} << bit));
          handled[w * 64 + bit].fetch_add(1);
        }
      }
    } while (__atomic_load_n(&info.upcall_pending, __ATOMIC_SEQ_CST) != 0);
  }

  TestGuest& guest_;
  uint32_t cpu_;
  int kicks_seen_ = 0;
};

// Each sender has a port of its own, sends, and waits until that event was handled: a lost one
// hangs (and fails by the deadline).
TEST(VmmEventRace, NoEventIsLost) {
  const int rounds = Rounds(20000);
  TestGuest guest(1);
  GuestCpu cpu(guest, 0);
  constexpr int kSenders = 3;
  const uint32_t ports[kSenders] = {1, 2, 0};
  std::vector<std::atomic<uint64_t>> handled(4096);
  uint32_t back = 0;
  ASSERT_EQ(guest.domain->events().AllocUnbound(kBackendDomid, &back), 0);
  ASSERT_TRUE(guest.domain->events().BindService(back, kBackendDomid, {1, 1}));

  std::atomic<int> finished{0};
  std::atomic<bool> lost{false};
  std::vector<std::thread> senders;
  senders.reserve(kSenders);
  for (int i = 0; i < kSenders; ++i) {
    senders.emplace_back([&, i] {
      const uint32_t port = i == 2 ? back : ports[i];
      const uint16_t domid = i == 0 ? kXenstoreDomid : i == 1 ? kConsoleDomid : kBackendDomid;
      for (int round = 1; round <= rounds && !lost; ++round) {
        const uint64_t before = handled[port].load();
        EXPECT_TRUE(guest.domain->events().RaiseFromService(port, domid));
        for (int spin = 0; handled[port].load() == before; ++spin) {
          if (spin > 20'000'000) lost = true;
          if (lost) break;
          if (spin % 64 == 63) std::this_thread::yield();
        }
      }
      ++finished;
      guest.host.Kick(0);
    });
  }
  while (finished < kSenders) cpu.RunOnce(handled.data());
  for (std::thread& sender : senders) sender.join();
  EXPECT_FALSE(lost);
}

// The guest unmasks by hypercall while a service sends: the classic lost edge.
TEST(VmmEventRace, UnmaskAgainstSend) {
  const int rounds = Rounds(20000);
  TestGuest guest(1);
  GuestCpu cpu(guest, 0);
  std::vector<std::atomic<uint64_t>> handled(4096);
  std::atomic<int> stage{0};
  std::thread sender([&] {
    for (int round = 1; round <= rounds; ++round) {
      while (stage.load() != round) std::this_thread::yield();
      Spin(round % 61);
      EXPECT_TRUE(guest.domain->events().RaiseFromService(2, kConsoleDomid));
    }
  });
  for (int round = 1; round <= rounds; ++round) {
    GuestFetchOr(&guest.shared().evtchn_mask[0], 4);
    const uint64_t before = handled[2].load();
    stage = round;
    Spin(round % 127 * 4);
    EXPECT_EQ(guest.domain->events().Unmask(guest.vcpu(0), 2), 0);
    Prepare(guest.vcpu(0), Action::kRun);
    for (int spin = 0; handled[2].load() == before; ++spin) {
      ASSERT_LT(spin, 1000) << "lost in round " << round;
      cpu.RunOnce(handled.data());
    }
  }
  sender.join();
}

// Senders on two vCPUs' own threads to each other (IPIs), and a third vCPU that registers in
// between.
TEST(VmmEventRace, IpisBetweenVcpus) {
  const int rounds = Rounds(5000);
  TestGuest guest(2);
  guest.Start(1);
  std::vector<std::atomic<uint64_t>> handled(4096);
  GuestCpu cpu0(guest, 0);
  GuestCpu cpu1(guest, 1);
  uint32_t to0 = 0;
  uint32_t to1 = 0;
  ASSERT_EQ(guest.domain->events().BindIpi(0, &to0), 0);
  ASSERT_EQ(guest.domain->events().BindIpi(1, &to1), 0);
  const auto ping = [&](GuestCpu& cpu, uint32_t index, uint32_t own, uint32_t other, bool first) {
    for (int round = 1; round <= rounds; ++round) {
      if (first) {
        EXPECT_EQ(guest.domain->events().Send(guest.vcpu(index), other), 0);
        Prepare(guest.vcpu(index), Action::kRun);
      }
      while (handled[own].load() < static_cast<uint64_t>(round)) cpu.RunOnce(handled.data());
      if (!first) {
        EXPECT_EQ(guest.domain->events().Send(guest.vcpu(index), other), 0);
        Prepare(guest.vcpu(index), Action::kRun);
      }
    }
  };
  std::thread other([&] { ping(cpu1, 1, to1, to0, false); });
  ping(cpu0, 0, to0, to1, true);
  other.join();
  EXPECT_EQ(handled[to0].load(), static_cast<uint64_t>(rounds));
  EXPECT_EQ(handled[to1].load(), static_cast<uint64_t>(rounds));
}

// A port is closed and allocated again while a service and the guest send on it: nothing but a
// stray pending bit may come of it.
TEST(VmmEventRace, CloseAgainstSend) {
  const int rounds = Rounds(20000);
  TestGuest guest(1);
  std::atomic<bool> stop{false};
  std::thread service([&] {
    while (!stop) {
      guest.domain->events().RaiseFromService(3, kBackendDomid);
      guest.domain->events().BindService(3, kBackendDomid, {1, 1});
    }
  });
  std::thread second([&] {
    while (!stop) guest.domain->events().UnbindService(3, kBackendDomid);
  });
  for (int round = 0; round < rounds; ++round) {
    uint32_t port = 0;
    ASSERT_EQ(guest.domain->events().AllocUnbound(kBackendDomid, &port), 0);
    ASSERT_EQ(port, 3u);
    EXPECT_EQ(guest.domain->events().Send(guest.vcpu(0), port), 0);
    EXPECT_EQ(guest.domain->events().Close(port), 0);
    guest.host.Forget();
  }
  stop = true;
  service.join();
  second.join();
}

// Interrupts of all kinds between vCPUs: SGIs from each to each, with list registers filled and
// emptied. Each SGI is counted at its target; a lost one leaves a sender waiting.
TEST(VmmEventRace, SgisBetweenVcpus) {
  const int rounds = Rounds(5000);
  TestGuest guest(2);
  guest.Start(1);
  for (uint32_t cpu = 0; cpu < 2; ++cpu) guest.WriteGicd(0, 1, cpu);
  std::atomic<int> received[2] = {};
  const auto thread = [&](uint32_t self) {
    VcpuState::Gic& gic = guest.state(self).gic;
    int seen = 0;
    const auto take = [&] {
      const int got = std::popcount(gic.used);
      gic.used = 0;
      received[self] += got;
      return got;
    };
    for (int round = 1; round <= rounds; ++round) {
      guest.WriteGicd(0xf00, 1u << 24 | (round % 16), self);
      // Wait for the other's SGI of this round.
      while (received[self] < round) {
        if (take() == 0) {
          guest.host.kicks[self].wait(seen);
          seen = guest.host.kicks[self];
        }
        HandleExit(guest.vcpu(self), ExitReason::kKick);
      }
      // And until the other has ours, so that none are merged.
      while (received[1 - self] < round) std::this_thread::yield();
    }
  };
  std::thread other(thread, 1);
  thread(0);
  other.join();
  EXPECT_EQ(received[0], rounds);
  EXPECT_EQ(received[1], rounds);
}

// The interleaving in which the kicked vCPU acts at once, before its kicker goes on: it must find
// everything that the kick was for.
TEST(VmmEventRace, KickComesLast) {
  TestGuest guest(2);
  guest.Start(1);
  guest.Ram<xen::RegisterVcpuInfo>(0x1000) = {(xen::kRam0Base >> 12) + 0x20, 0, 0};
  ASSERT_EQ(guest.Call(24, {10, 1, TestGuest::Va(0x1000)}, 1), 0);
  guest.WriteGicd(0x100, 1u << 31, 1);
  guest.WriteGicd(0, 1, 0);
  uint32_t ipi = 0;
  ASSERT_EQ(guest.domain->events().BindIpi(1, &ipi), 0);
  Action action = Action::kRun;
  guest.host.on_kick = [&](unsigned cpu) {
    action = HandleExit(guest.vcpu(cpu), ExitReason::kKick);
  };
  HandleExit(guest.vcpu(1), ExitReason::kKick);
  auto& info = guest.Ram<xen::VcpuInfo>(0x20000);
  const auto quiet = [&] {
    info.upcall_pending = 0;
    info.pending_sel = 0;
    for (uint64_t& word : guest.shared().evtchn_pending) word = 0;
    guest.state(1).gic.used = 0;
  };
  for (int round = 0; round < 3; ++round) {
    quiet();
    EXPECT_EQ(guest.domain->events().Send(guest.vcpu(0), ipi), 0);
    EXPECT_EQ(guest.InListRegisters(1).count(31), 1u);
    EXPECT_EQ(info.pending_sel, 1u);
    quiet();
    guest.WriteGicd(0xf00, 2u << 16 | 9, 0);
    EXPECT_EQ(guest.InListRegisters(1).count(9), 1u);
    guest.domain->Pause();
    EXPECT_EQ(action, Action::kWait);
    guest.domain->Unpause();
    EXPECT_EQ(guest.domain->Resume(guest.vcpu(1)), Action::kRun);
  }
  // A shared interrupt's enable bit, set by one vCPU, reaches the other's latched interrupt.
  quiet();
  guest.WriteGicd(0x800 + 32, 2, 0, 0);
  guest.domain->vgic().RaiseSpi(0, nullptr);
  EXPECT_TRUE(guest.InListRegisters(1).empty());
  guest.WriteGicd(0x104, 1, 0);
  EXPECT_EQ(guest.InListRegisters(1).count(32), 1u);
  // SCHEDOP_poll: the event is there when the sleeper wakes.
  guest.Ram<uint32_t>(0x2000) = ipi;
  xen::SchedPoll poll = {TestGuest::Va(0x2000), 1, 0, 0};
  quiet();
  guest.shared().evtchn_mask[0] = ~uint64_t{0};
  guest.CallWith(29, 3, &poll, 1, 1);
  EXPECT_EQ(guest.action, Action::kBlock);
  bool seen = false;
  guest.host.on_kick = [&](unsigned cpu) {
    seen = cpu == 1 && guest.domain->events().IsPending(ipi);
  };
  EXPECT_EQ(guest.domain->events().Send(guest.vcpu(0), ipi), 0);
  EXPECT_TRUE(seen);
  guest.host.on_kick = [&](unsigned cpu) {
    action = HandleExit(guest.vcpu(cpu), ExitReason::kKick);
  };
  guest.domain->RequestShutdown(ShutdownReason::kPoweroff);
  EXPECT_EQ(action, Action::kEnd);
}

TEST(VmmMutex, Excludes) {
  Mutex mutex;
  uint64_t counter = 0;
  const int rounds = Rounds(50000);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        std::lock_guard lock(mutex);
        ++counter;
        if (round % 1024 == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, uint64_t{4} * rounds);
}

}  // namespace
}  // namespace pyrene::vmm
