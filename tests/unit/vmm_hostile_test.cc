// SPDX-License-Identifier: Apache-2.0
//
// A guest that does anything: random exits with random registers and random memory. The VMM must
// survive (the sanitizers watch), and keep its invariants: list registers well formed, no pin left
// over, bounded work per exit.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

class HostileGuest {
 public:
  explicit HostileGuest(uint32_t seed) : random_(seed), guest_(1 + seed % 4, 1 + seed % 5) {
    for (uint32_t cpu = 1; cpu < guest_.domain->config().vcpus; ++cpu) guest_.Start(cpu);
    guest_.host.readonly.insert(TestGuest::Va(0x3000));
    guest_.host.unmapped.insert(TestGuest::Va(0x4000));
  }

  void Step() {
    const uint32_t cpu = random_() % guest_.domain->config().vcpus;
    if (guest_.vcpu(cpu).power != Power::kOn) {
      // Another vCPU, or we, turn it on again.
      if (guest_.vcpu(cpu).power == Power::kOff) guest_.vcpu(cpu).power = Power::kStarting;
      ASSERT_EQ(guest_.domain->Resume(guest_.vcpu(cpu)), Action::kRun);
    }
    VcpuState& s = guest_.state(cpu);
    guest_.host.now += random_() % 1000;
    // The guest writes its memory and what it shares.
    for (int i = 0; i < 4; ++i) guest_.Ram<uint64_t>(8 * (random_() % 0x2000)) = Value();
    if (random_() % 8 == 0) guest_.shared().evtchn_mask[random_() % 64] = Value();
    if (random_() % 8 == 0) {
      guest_.grant_entries()[random_() % 4096] = {static_cast<uint16_t>(random_() % 32), Domid(),
                                                  static_cast<uint32_t>(Gfn())};
    }
    for (int i = 0; i < 5; ++i) s.x[i] = Value();
    s.pc = 0x8004;
    Action action = Action::kRun;
    switch (random_() % 10) {
      case 0:
        action = guest_.Trap(random_(), cpu, xen::kGicdBase + random_() % 0x2000);
        break;
      case 1:
      case 2:
        action = guest_.Trap(
            syndrome::kDataAbort << 26 | syndrome::kValid | 7 | (random_() & 0x02ff8040), cpu,
            xen::kGicdBase + random_() % 0x1000);
        break;
      case 3:
        action = guest_.Trap(
            syndrome::kSystemRegister << 26 | syndrome::kLength32 | (random_() & 0x1ffffff), cpu);
        break;
      case 4:
        s.x[0] = Firmware();
        if (random_() % 2 == 0) s.x[1] = random_() % 5;
        if (random_() % 2 == 0) s.x[2] = xen::kRam0Base + (random_() & 0xfffffc);
        action = guest_.Trap(
            (random_() % 2 == 0 ? syndrome::kHvc64 : syndrome::kSmc64) << 26 | syndrome::kLength32,
            cpu);
        break;
      case 5:
        action = HandleExit(guest_.vcpu(cpu), static_cast<ExitReason>(2 + random_() % 3));
        break;
      default:
        s.x[16] = kCalls[random_() % std::size(kCalls)];
        if (s.x[16] == 12 && random_() % 4 != 0)
          s.x[0] = kMemoryOps[random_() % std::size(kMemoryOps)];
        if (s.x[16] != 12 && random_() % 8 != 0) s.x[0] = random_() % 16;
        Structure();
        action = guest_.Trap(
            syndrome::kHvc64 << 26 | syndrome::kLength32 | xen::kHypercallImmediate, cpu);
        break;
    }
    Services();
    Check();
    if (action == Action::kEnd) Reboot();
  }
  void Finish() {
    for (const uint16_t domid : {kBackendDomid, kConsoleDomid, kXenstoreDomid}) {
      guest_.domain->grants().DropEpoch(domid);
    }
    Reboot();
    EXPECT_EQ(guest_.domain->grants().pins(), 0u);
    EXPECT_TRUE(guest_.host.stage2.empty());
    EXPECT_TRUE(guest_.host.removed.empty());
    EXPECT_EQ(guest_.memory.present_pages(), guest_.memory.total_pages());
  }

 private:
  static constexpr uint64_t kCalls[] = {12, 12, 17, 18, 20, 20, 21, 24, 24,
                                        29, 32, 32, 32, 34, 7,  13, 40};
  static constexpr uint64_t kMemoryOps[] = {1, 3, 4, 6, 7, 14, 15, 23};

  uint64_t Value() {
    switch (random_() % 8) {
      case 0:
        return random_();
      case 1:
        return uint64_t{random_()} << 32 | random_();
      case 2:
        return TestGuest::Va(random_() % 0x8000);
      case 3:
        return TestGuest::Va((random_() % 0x400) << 12) - random_() % 64;
      case 4:
        return Gfn();
      case 5:
        return ~uint64_t{0} - random_() % 16;
      case 6:
        return Domid();
      default:
        return random_() % 64;
    }
  }
  uint16_t Domid() {
    constexpr uint16_t kDomids[] = {xen::kDomidSelf, xen::kDomidSelf, kTestDomid, kBackendDomid,
                                    kConsoleDomid,   0x7ff4,          0};
    return kDomids[random_() % std::size(kDomids)];
  }
  uint64_t Gfn() {
    switch (random_() % 4) {
      case 0:
        return (xen::kGrantWindowBase >> 12) + random_() % 16;
      case 1:
        return (xen::kRam1Base >> 12) + random_() % 300;
      default:
        return (xen::kRam0Base >> 12) + random_() % 1100;
    }
  }
  uint64_t Firmware() {
    constexpr uint64_t kFunctions[] = {0x84000000, 0x84000001, 0xc4000001, 0x84000002, 0x84000003,
                                       0xc4000003, 0xc4000004, 0x8400000a, 0x80000001, 0x8500ff01,
                                       1,          2,          0x84000009};
    return kFunctions[random_() % std::size(kFunctions)];
  }
  // Something that resembles an argument structure where x1 and x2 may point.
  void Structure() {
    const uint64_t at = 0x1000 + 8 * (random_() % 512);
    auto* words = &guest_.Ram<uint64_t>(at);
    for (int i = 0; i < 6; ++i) words[i] = Value();
    auto* halves = reinterpret_cast<uint16_t*>(words);
    if (random_() % 2 == 0) halves[0] = Domid();
    if (random_() % 2 == 0) reinterpret_cast<uint32_t*>(words)[1] = random_() % 12;
    if (random_() % 2 == 0) words[2] = random_() % 40;
    if (random_() % 4 != 0) {
      VcpuState* s = nullptr;
      for (uint32_t cpu = 0; cpu < guest_.domain->config().vcpus; ++cpu) {
        s = guest_.host.states[cpu];
        s->x[1] = s->x[16] == 24 ? random_() % 4 : TestGuest::Va(at);
        s->x[2] = s->x[16] == 24 ? TestGuest::Va(at) : random_() % 70;
      }
    }
  }
  void Services() {
    EventChannels& events = guest_.domain->events();
    const uint32_t port = random_() % 40;
    switch (random_() % 8) {
      case 0:
        events.BindService(port, kBackendDomid, {1, 1});
        break;
      case 1:
        events.RaiseFromService(port, kBackendDomid);
        break;
      case 2:
        events.UnbindService(port, kBackendDomid);
        break;
      case 3: {
        uint32_t gfn = 0;
        if (guest_.domain->grants().Pin(kBackendDomid, random_() % 4096, random_() % 2 == 0,
                                        &gfn) == xen::kGrantOk) {
          EXPECT_NE(guest_.memory.GrantablePage(gfn), nullptr);
        }
        break;
      }
      case 4:
        if (random_() % 64 == 0) guest_.domain->grants().DropEpoch(kBackendDomid);
        break;
      case 5:
        guest_.domain->RunTimers();
        break;
      default:
        break;
    }
    guest_.host.Forget();
    guest_.host.log.clear();
  }
  void Check() {
    for (uint32_t cpu = 0; cpu < guest_.domain->config().vcpus; ++cpu) {
      VcpuState::Gic& gic = guest_.state(cpu).gic;
      std::set<uint32_t> ids;
      for (uint32_t i = 0; i < kMaxListRegisters; ++i) {
        if ((gic.used >> i & 1) == 0) continue;
        ASSERT_LT(i, gic.count);
        ASSERT_EQ(gic.lr[i] & (list_register::kHardware | list_register::kGroup1), 0u);
        ASSERT_LT(gic.lr[i] & 0x3ff, 64u);
        ASSERT_TRUE(ids.insert(gic.lr[i] & 0x3ff).second);
        ASSERT_NE(gic.lr[i] & (list_register::kPending | list_register::kActive), 0u);
      }
      // What a guest does with some of them.
      for (uint32_t i = 0; i < gic.count; ++i) {
        if ((gic.used >> i & 1) == 0 || random_() % 4 != 0) continue;
        if ((gic.lr[i] & list_register::kActive) != 0) {
          gic.lr[i] &= ~list_register::kActive;
          if ((gic.lr[i] & list_register::kPending) == 0) gic.used &= ~(1u << i);
        } else {
          gic.lr[i] ^= list_register::kActive | list_register::kPending;
        }
      }
    }
  }
  void Reboot() {
    guest_.domain->Reset();
    guest_.domain->Boot(xen::kRam0Base, 0, 0);
    for (uint32_t cpu = 0; cpu < guest_.domain->config().vcpus; ++cpu) {
      guest_.vcpu(cpu).power = Power::kStarting;
      ASSERT_EQ(guest_.domain->Resume(guest_.vcpu(cpu)), Action::kRun);
    }
  }

  std::mt19937 random_;
  TestGuest guest_;
};

TEST(VmmHostile, RandomExits) {
  const char* rounds = std::getenv("PYRENE_ROUNDS");
  const int total = rounds != nullptr ? std::atoi(rounds) : 400000;
  constexpr int kPerSeed = 20000;
  std::printf("%d exits\n", total);
  for (int seed = 0; seed * kPerSeed < total; ++seed) {
    HostileGuest guest(static_cast<uint32_t>(seed));
    for (int i = 0; i < kPerSeed; ++i) {
      guest.Step();
      if (HasFatalFailure()) FAIL() << "seed " << seed << " step " << i;
    }
    guest.Finish();
  }
}

}  // namespace
}  // namespace pyrene::vmm
