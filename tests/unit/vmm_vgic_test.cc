// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

constexpr uint32_t kPending = list_register::kPending;
constexpr uint32_t kActive = list_register::kActive;

uint32_t Priority(uint32_t lr) { return (lr >> list_register::kPriorityShift & 0x1f) << 3; }

TEST(VmmVgic, RegistersAtReset) {
  TestGuest guest(4);
  EXPECT_EQ(guest.ReadGicd(0x000), 0u);
  EXPECT_EQ(guest.ReadGicd(0x004), 1u | 3u << 5);
  EXPECT_EQ(guest.ReadGicd(0x008), 0x43bu);
  EXPECT_EQ(guest.ReadGicd(0x080), 0u);
  EXPECT_EQ(guest.ReadGicd(0x100), 0xffffu);
  EXPECT_EQ(guest.ReadGicd(0x180), 0xffffu);
  EXPECT_EQ(guest.ReadGicd(0x104), 0u);
  EXPECT_EQ(guest.ReadGicd(0xc00), 0xaaaaaaaau);
  EXPECT_EQ(guest.ReadGicd(0xc04), 0u);
  EXPECT_EQ(guest.ReadGicd(0xfe8), 0x2bu);
  for (uint32_t cpu = 0; cpu < 4; ++cpu) {
    EXPECT_EQ(guest.ReadGicd(0x800 + 4 * cpu, cpu), 0x01010101u << cpu);
  }
  for (uint32_t offset = 0; offset < 0x1000; offset += 4) {
    guest.ReadGicd(offset);  // nothing aborts
    EXPECT_EQ(guest.state().pc, 0x1004u) << offset;
  }
}

TEST(VmmVgic, AccessSizes) {
  TestGuest guest;
  const auto aborts = [&](uint32_t offset, uint32_t log2_bytes, bool write) {
    guest.state().pstate = 0x3c5;
    guest.state().el1.vbar = 0x80000;
    if (write) {
      guest.WriteGicd(offset, 0, 0, log2_bytes);
    } else {
      guest.ReadGicd(offset, 0, log2_bytes);
    }
    return guest.state().pc == 0x80200;
  };
  for (const bool write : {false, true}) {
    EXPECT_FALSE(aborts(0x100, 2, write));
    EXPECT_TRUE(aborts(0x100, 0, write));
    EXPECT_TRUE(aborts(0x100, 1, write));
    EXPECT_TRUE(aborts(0x100, 3, write));
    EXPECT_TRUE(aborts(0x102, 2, write));
    EXPECT_FALSE(aborts(0x401, 0, write));
    EXPECT_FALSE(aborts(0x803, 0, write));
    EXPECT_FALSE(aborts(0x400, 2, write));
    EXPECT_TRUE(aborts(0x400, 1, write));
    EXPECT_TRUE(aborts(0x400, 3, write));
    EXPECT_TRUE(aborts(0x402, 2, write));
  }
}

TEST(VmmVgic, EnableBitsAreBankedAndSgisStayOn) {
  TestGuest guest(2);
  guest.Start(1);
  guest.WriteGicd(0x100, 1u << 27, 0);
  EXPECT_EQ(guest.ReadGicd(0x100, 0), 0xffffu | 1u << 27);
  EXPECT_EQ(guest.ReadGicd(0x100, 1), 0xffffu);
  guest.WriteGicd(0x180, ~0u, 0);
  EXPECT_EQ(guest.ReadGicd(0x100, 0), 0xffffu);
  guest.WriteGicd(0x104, 0x80000001, 0);  // SPIs are shared
  EXPECT_EQ(guest.ReadGicd(0x104, 1), 0x80000001u);
  guest.WriteGicd(0x184, 1, 1);
  EXPECT_EQ(guest.ReadGicd(0x104, 0), 0x80000000u);
}

TEST(VmmVgic, PriorityBytesAndWords) {
  TestGuest guest;
  guest.WriteGicd(0x400 + 27, 0xff, 0, 0);
  EXPECT_EQ(guest.ReadGicd(0x400 + 27, 0, 0), 0xf8u);
  guest.WriteGicd(0x420, 0x11223344);
  EXPECT_EQ(guest.ReadGicd(0x420), 0x10203040u);
  EXPECT_EQ(guest.ReadGicd(0x418), 0xf8000000u);
  EXPECT_EQ(guest.ReadGicd(0x7fc), 0u);  // no such interrupt
}

TEST(VmmVgic, TimerTemplate) {
  TestGuest guest;
  EXPECT_EQ(guest.state().gic.timer_template, 0u);
  guest.WriteGicd(0x400 + 27, 0xa0, 0, 0);
  guest.WriteGicd(0x100, 1u << 27);
  EXPECT_EQ(guest.state().gic.timer_template, 0u);  // distributor off
  guest.WriteGicd(0x000, 1);
  EXPECT_EQ(guest.state().gic.timer_template, 27u | 0x14u << 23 | kPending);
  guest.WriteGicd(0x400 + 27, 0x80, 0, 0);
  EXPECT_EQ(guest.state().gic.timer_template, 27u | 0x10u << 23 | kPending);
  guest.WriteGicd(0x180, 1u << 27);
  EXPECT_EQ(guest.state().gic.timer_template, 0u);
  // Then the timer arrives as an exit, and is held until it is enabled.
  EXPECT_EQ(HandleExit(guest.vcpu(), ExitReason::kTimer), Action::kRun);
  EXPECT_EQ(guest.state().gic.used, 0u);
  EXPECT_EQ(guest.ReadGicd(0x200), 1u << 27);
  guest.WriteGicd(0x100, 1u << 27);
  EXPECT_EQ(guest.InListRegisters().count(27), 1u);
}

TEST(VmmVgic, SgiToSelfOthersAndList) {
  TestGuest guest(4);
  for (uint32_t cpu = 1; cpu < 4; ++cpu) guest.Start(cpu);
  guest.WriteGicd(0, 1);
  for (uint32_t cpu = 0; cpu < 4; ++cpu) HandleExit(guest.vcpu(cpu), ExitReason::kKick);
  const auto taken = [&](uint32_t cpu) {
    HandleExit(guest.vcpu(cpu), ExitReason::kKick);
    VcpuState::Gic& gic = guest.state(cpu).gic;
    const uint32_t lr = gic.used == 1 ? gic.lr[0] : 0;
    EXPECT_LE(gic.used, 1u);
    gic.used = 0;
    return lr & 0x1fff;
  };
  for (auto& kicks : guest.host.kicks) kicks = 0;
  guest.WriteGicd(0xf00, 2u << 24 | 5, 2);  // self
  EXPECT_EQ(taken(2), 5u | 2u << 10);
  EXPECT_EQ(guest.host.kicks[2], 0);
  guest.WriteGicd(0xf00, 1u << 24 | 6, 1);  // others
  for (const uint32_t cpu : {0, 2, 3}) {
    EXPECT_EQ(guest.host.kicks[cpu], 1);
    EXPECT_EQ(taken(cpu), 6u | 1u << 10);
  }
  EXPECT_EQ(taken(1), 0u);
  guest.WriteGicd(0xf00, 0xf9u << 16 | 15, 0);  // list, with CPUs that do not exist
  EXPECT_EQ(taken(0), 15u);
  EXPECT_EQ(taken(3), 15u);
  EXPECT_EQ(taken(1), 0u);
  guest.WriteGicd(0xf00, 3u << 24 | 0xffu << 16 | 1, 0);  // reserved filter
  for (uint32_t cpu = 0; cpu < 4; ++cpu) EXPECT_EQ(taken(cpu), 0u);
  // Two senders before the target looks: merged into one.
  guest.WriteGicd(0xf00, 1u << 16 | 4, 1);
  guest.WriteGicd(0xf00, 1u << 16 | 4, 2);
  EXPECT_EQ(taken(0), 4u | 2u << 10);
  EXPECT_EQ(taken(0), 0u);
}

TEST(VmmVgic, OverflowIsOrderedByPriorityAndRefilled) {
  TestGuest guest(1, 2);
  guest.WriteGicd(0, 1);
  for (uint32_t id = 0; id < 6; ++id) guest.WriteGicd(0x400 + id, 0x80 + 8 * id, 0, 0);
  VcpuState::Gic& gic = guest.state().gic;
  for (const uint32_t id : {3, 5, 4}) guest.WriteGicd(0xf00, 2u << 24 | id);
  EXPECT_EQ(guest.InListRegisters(), (std::multiset<uint32_t>{3, 4}));  // 5 made room
  EXPECT_EQ(gic.underflow, 1u);
  guest.WriteGicd(0xf00, 2u << 24 | 0);
  EXPECT_EQ(guest.InListRegisters(), (std::multiset<uint32_t>{0, 3}));
  EXPECT_EQ(guest.ReadGicd(0x200), 0x39u);
  // Active ones stay.
  for (uint32_t i = 0; i < 2; ++i) {
    if ((gic.lr[i] & 0x3ff) == 3) gic.lr[i] ^= kPending | kActive;
  }
  guest.WriteGicd(0xf00, 2u << 24 | 1);
  EXPECT_EQ(guest.InListRegisters(0, kPending | kActive), (std::multiset<uint32_t>{0, 3}));
  // One list register became free: the kernel exits by underflow.
  for (uint32_t i = 0; i < 2; ++i) {
    if ((gic.lr[i] & 0x3ff) == 0) gic.used &= ~(1u << i);
  }
  HandleExit(guest.vcpu(), ExitReason::kMaintenance);
  EXPECT_EQ(guest.InListRegisters(0, kPending | kActive), (std::multiset<uint32_t>{1, 3}));
  EXPECT_EQ(gic.underflow, 1u);
  gic.used = 0;
  HandleExit(guest.vcpu(), ExitReason::kMaintenance);
  EXPECT_EQ(guest.InListRegisters(), (std::multiset<uint32_t>{4, 5}));
  EXPECT_EQ(gic.underflow, 0u);
}

TEST(VmmVgic, DisableTakesPendingOutOfListRegisters) {
  TestGuest guest;
  guest.WriteGicd(0, 1);
  guest.WriteGicd(0x100, 3u << 20);
  guest.WriteGicd(0x200, 3u << 20);
  EXPECT_EQ(guest.InListRegisters(), (std::multiset<uint32_t>{20, 21}));
  VcpuState::Gic& gic = guest.state().gic;
  for (uint32_t i = 0; i < 4; ++i) {
    if ((gic.lr[i] & 0x3ff) == 21) gic.lr[i] |= kActive;
  }
  guest.WriteGicd(0x180, 3u << 20);
  EXPECT_EQ(guest.InListRegisters(), (std::multiset<uint32_t>{}));
  EXPECT_EQ(guest.InListRegisters(0, kActive), (std::multiset<uint32_t>{21}));
  EXPECT_EQ(guest.ReadGicd(0x200), 3u << 20);
  EXPECT_EQ(guest.ReadGicd(0x300), 1u << 21);
  guest.WriteGicd(0x100, 3u << 20);
  EXPECT_EQ(guest.InListRegisters(), (std::multiset<uint32_t>{20, 21}));
  guest.WriteGicd(0x280, 1u << 20);
  EXPECT_EQ(guest.InListRegisters(), (std::multiset<uint32_t>{21}));
  guest.WriteGicd(0x380, ~0u);
  EXPECT_EQ(guest.InListRegisters(0, kActive), (std::multiset<uint32_t>{}));
  EXPECT_EQ(guest.InListRegisters(), (std::multiset<uint32_t>{21}));
  // The distributor goes off and on.
  guest.WriteGicd(0, 0);
  EXPECT_EQ(guest.state().gic.used, 0u);
  guest.WriteGicd(0, 1);
  EXPECT_EQ(guest.InListRegisters(), (std::multiset<uint32_t>{21}));
}

TEST(VmmVgic, SpisAreRoutedAndMoved) {
  TestGuest guest(2);
  guest.Start(1);
  Vgic& vgic = guest.domain->vgic();
  guest.WriteGicd(0, 1);
  guest.WriteGicd(0x800 + 32 + 3, 2, 0, 0);     // SPI 3 to vCPU 1
  guest.WriteGicd(0x800 + 32 + 4, 0xf0, 0, 0);  // no such vCPU: ignored
  EXPECT_EQ(guest.ReadGicd(0x820), 0x02010101u);
  EXPECT_EQ(guest.ReadGicd(0x824), 0x01010101u);
  guest.WriteGicd(0xc08, ~0u);
  EXPECT_EQ(guest.ReadGicd(0xc08), 0xaaaaaaaau);
  vgic.RaiseSpi(3, nullptr);
  HandleExit(guest.vcpu(1), ExitReason::kKick);
  EXPECT_EQ(guest.state(1).gic.used, 0u);  // not enabled
  EXPECT_EQ(guest.ReadGicd(0x204, 1), 8u);
  guest.WriteGicd(0x104, 8, 0);
  HandleExit(guest.vcpu(1), ExitReason::kKick);
  EXPECT_EQ(guest.InListRegisters(1).count(35), 1u);
  // Taken back when disabled, and goes to the new target.
  guest.WriteGicd(0x184, 8, 0);
  HandleExit(guest.vcpu(1), ExitReason::kKick);
  EXPECT_EQ(guest.state(1).gic.used, 0u);
  guest.WriteGicd(0x800 + 32 + 3, 1, 0, 0);
  HandleExit(guest.vcpu(1), ExitReason::kKick);
  EXPECT_EQ(guest.ReadGicd(0x204, 0), 8u);
  guest.WriteGicd(0x104, 8, 1);
  HandleExit(guest.vcpu(0), ExitReason::kKick);
  EXPECT_EQ(guest.InListRegisters(0).count(35), 1u);
  // Software makes one pending, and clears it.
  guest.WriteGicd(0x204, 1u << 31, 0);
  EXPECT_EQ(guest.ReadGicd(0x204, 0), 8u | 1u << 31);
  guest.WriteGicd(0x284, ~0u, 0);
  EXPECT_EQ(guest.ReadGicd(0x204, 0), 0u);
}

// Against a simple reference: random raises, acknowledges, ends, enables and disables. What the
// reference says is pending and enabled must be in list registers, up to their number and by
// priority; nothing may be lost or invented.
TEST(VmmVgic, RandomAgainstReference) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const uint32_t list_registers = 1 + seed % 4;
    TestGuest guest(1, list_registers);
    VcpuState::Gic& gic = guest.state().gic;
    guest.WriteGicd(0, 1);
    bool pending[32] = {};
    bool active[32] = {};
    bool enabled[32] = {};
    uint8_t priority[32] = {};
    for (int i = 0; i < 16; ++i) enabled[i] = true;
    for (uint32_t i = 0; i < 32; ++i) {
      priority[i] = static_cast<uint8_t>((random() % 32) << 3);
      guest.WriteGicd(0x400 + i, priority[i], 0, 0);
    }
    for (int step = 0; step < 400; ++step) {
      const uint32_t id = random() % 32;
      switch (random() % 6) {
        case 0:
        case 1:
          if (id < 16) {
            guest.WriteGicd(0xf00, 2u << 24 | id);
          } else {
            guest.WriteGicd(0x200, 1u << id);
          }
          pending[id] = true;
          break;
        case 2:  // acknowledge the most urgent one in list registers, as the GICV would
        {
          int best = -1;
          for (uint32_t i = 0; i < list_registers; ++i) {
            if ((gic.used >> i & 1) == 0 || (gic.lr[i] & (kPending | kActive)) != kPending)
              continue;
            if (best < 0 || Priority(gic.lr[i]) < Priority(gic.lr[best]))
              best = static_cast<int>(i);
          }
          if (best >= 0) {
            gic.lr[best] ^= kPending | kActive;
            const uint32_t taken = gic.lr[best] & 0x3ff;
            EXPECT_TRUE(pending[taken]) << "seed " << seed << " step " << step;
            pending[taken] = false;
            active[taken] = true;
          }
          break;
        }
        case 3:  // end one that is active
          for (uint32_t i = 0; i < list_registers; ++i) {
            if ((gic.used >> i & 1) == 0 || (gic.lr[i] & kActive) == 0) continue;
            active[gic.lr[i] & 0x3ff] = false;
            gic.lr[i] &= ~kActive;
            if ((gic.lr[i] & kPending) == 0) gic.used &= ~(1u << i);
            break;
          }
          HandleExit(guest.vcpu(), ExitReason::kMaintenance);
          break;
        case 4:
          guest.WriteGicd(0x100, 1u << id);
          enabled[id] = true;
          break;
        case 5:
          if (random() % 2 == 0) {
            guest.WriteGicd(0x180, 1u << id);
            if (id >= 16) enabled[id] = false;
          } else {
            guest.WriteGicd(0x280, 1u << id);
            if (id >= 16) pending[id] = false;
          }
          break;
      }
      // Compare.
      uint32_t want_pending = 0;
      uint32_t want_active = 0;
      std::vector<uint8_t> urgent;  // priorities of what could be delivered and is not active
      for (uint32_t i = 0; i < 32; ++i) {
        if (pending[i]) want_pending |= 1u << i;
        if (active[i]) want_active |= 1u << i;
        if (pending[i] && enabled[i] && !active[i]) urgent.push_back(priority[i]);
      }
      ASSERT_EQ(guest.ReadGicd(0x200), want_pending) << "seed " << seed << " step " << step;
      ASSERT_EQ(guest.ReadGicd(0x300), want_active) << "seed " << seed << " step " << step;
      std::sort(urgent.begin(), urgent.end());
      std::vector<uint8_t> placed;
      std::set<uint32_t> ids;
      uint32_t room = list_registers;
      for (uint32_t i = 0; i < list_registers; ++i) {
        if ((gic.used >> i & 1) == 0) continue;
        const uint32_t lr = gic.lr[i];
        ASSERT_TRUE(ids.insert(lr & 0x3ff).second) << "two list registers for one interrupt";
        if ((lr & kActive) != 0) {
          --room;
        } else {
          ASSERT_TRUE(enabled[lr & 0x3ff]);
          placed.push_back(static_cast<uint8_t>(Priority(lr)));
        }
      }
      std::sort(placed.begin(), placed.end());
      ASSERT_EQ(gic.underflow != 0, urgent.size() > placed.size())
          << "seed " << seed << " step " << step;
      urgent.resize(std::min<size_t>(urgent.size(), room));
      ASSERT_EQ(placed, urgent) << "seed " << seed << " step " << step;
      // Active ones that are pending again and enabled show it.
      for (uint32_t i = 0; i < list_registers; ++i) {
        if ((gic.used >> i & 1) == 0 || (gic.lr[i] & kActive) == 0) continue;
        const uint32_t lr = gic.lr[i] & 0x3ff;
        ASSERT_EQ((gic.lr[i] & kPending) != 0, pending[lr] && enabled[lr]);
      }
    }
  }
}

}  // namespace
}  // namespace pyrene::vmm
