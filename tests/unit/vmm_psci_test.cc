// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kCpuOn = 0xc4000003;
constexpr uint64_t kAffinity = 0xc4000004;
constexpr uint64_t kEntry = xen::kRam0Base + 0x4000;

class VmmPsci : public ::testing::Test {
 protected:
  int64_t Call(uint64_t function, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0,
               uint32_t cpu = 0) {
    guest.action = guest.Firmware({function, a, b, c}, cpu);
    return static_cast<int64_t>(guest.state(cpu).x[0]);
  }
  TestGuest guest{4};
};

TEST_F(VmmPsci, Identification) {
  EXPECT_EQ(Call(0x84000000), 0x10001);
  EXPECT_EQ(Call(0x80000000), 0x10001);
  EXPECT_EQ(Call(0x84000006), 2);
  for (const uint64_t f :
       {0x84000000, 0x84000002, 0x84000008, 0x84000009, 0x8400000a, 0x80000000}) {
    EXPECT_EQ(Call(0x8400000a, f), 0) << f;
  }
  for (const uint64_t f : {0xc4000001, 0xc4000003, 0xc4000004})
    EXPECT_EQ(Call(0x8400000a, f), 0) << f;
  for (const uint64_t f : {0xc400000eull, 0xc4000012ull, 0x8400000full, 0x84000050ull, 0ull}) {
    EXPECT_EQ(Call(0x8400000a, f), 0xffffffff) << f;
  }
  for (const uint64_t f : {0x80008000, 0x80007fff, 0x80003fff, 0x80000002}) {
    EXPECT_EQ(Call(0x80000001, f), 0xffffffff);
  }
  EXPECT_EQ(Call(0x80000001, 0x80000001), 0);
  EXPECT_EQ(Call(0x84000050), 0xffffffff);  // TRNG
  EXPECT_EQ(Call(0x8600ff01), 0xffffffff);  // no vendor hypervisor service
  EXPECT_EQ(Call(0xc400000e), -1);          // 64-bit call
  EXPECT_EQ(Call(0xdeadbeef), -1);
  EXPECT_EQ(Call(0x8500ff00), 3);
  Call(0x8500ff01);
  EXPECT_EQ(guest.state().x[0], 0xdc1218a7u);
  EXPECT_EQ(guest.state().x[3], 0x67e6de8du);
}

TEST_F(VmmPsci, UpperHalfOfFunctionIsIgnored) { EXPECT_EQ(Call(0xffffffff84000000), 0x10001); }

TEST_F(VmmPsci, SmcAdvances) {
  guest.state().x[0] = 0x84000000;
  guest.state().pc = 0x100;
  guest.Trap(syndrome::kSmc64 << 26 | syndrome::kLength32);
  EXPECT_EQ(guest.state().x[0], 0x10001u);
  EXPECT_EQ(guest.state().pc, 0x104u);
}

TEST_F(VmmPsci, CpuOnOffOn) {
  EXPECT_EQ(Call(kAffinity, 1), 1);
  EXPECT_EQ(Call(kCpuOn, 1, kEntry, 0x1234), 0);
  EXPECT_EQ(guest.host.wakes[1], 1);
  EXPECT_EQ(Call(kAffinity, 1), 2);
  EXPECT_EQ(Call(kCpuOn, 1, kEntry, 0), -5);
  EXPECT_EQ(guest.domain->Resume(guest.vcpu(1)), Action::kRun);
  EXPECT_EQ(Call(kAffinity, 1), 0);
  EXPECT_EQ(Call(kCpuOn, 1, kEntry, 0), -4);
  const VcpuState& s = guest.state(1);
  EXPECT_EQ(s.pc, kEntry);
  EXPECT_EQ(s.x[0], 0x1234u);
  EXPECT_EQ(s.pstate, 0x3c5u);
  EXPECT_EQ(s.el1.sctlr, 0x00c50078u);
  EXPECT_EQ(s.el1.vmpidr, 0x80000001u);
  EXPECT_EQ(s.el1.cntvoff, guest.state(0).el1.cntvoff);
  EXPECT_EQ(guest.domain->online_vcpus(), 2u);

  // Stale interrupts are gone after off and on; an event that came meanwhile is not.
  guest.Ram<xen::RegisterVcpuInfo>(0x1000) = {(xen::kRam0Base >> 12) + 0x30, 0, 0};
  EXPECT_EQ(guest.Call(24, {10, 1, TestGuest::Va(0x1000)}, 1), 0);
  guest.WriteGicd(0, 1, 1);
  guest.WriteGicd(0x100, 1u << 31, 1);
  guest.WriteGicd(0xf00, 2u << 24 | 3, 1);
  guest.Ram<xen::VcpuInfo>(0x30000) = {};
  guest.state(1).gic.used &= ~0u;
  EXPECT_EQ(guest.Firmware({0x84000002}, 1), Action::kWait);
  EXPECT_EQ(Call(kAffinity, 1), 1);
  EXPECT_EQ(guest.domain->Resume(guest.vcpu(1)), Action::kWait);
  guest.WriteGicd(0xf00, 2u << 16 | 7, 0);  // an SGI to a vCPU that is off
  xen::EvtchnBindIpi ipi = {1, 0};
  EXPECT_EQ(guest.CallWith(32, xen::kBindIpi, &ipi), 0);
  xen::EvtchnPort port = {ipi.port};
  EXPECT_EQ(guest.CallWith(32, xen::kSend, &port), 0);
  EXPECT_EQ(Call(kCpuOn, 1, kEntry, 0), 0);
  EXPECT_EQ(guest.domain->Resume(guest.vcpu(1)), Action::kRun);
  EXPECT_EQ(guest.InListRegisters(1), (std::multiset<uint32_t>{31}));
}

TEST_F(VmmPsci, CpuOnErrors) {
  EXPECT_EQ(Call(kCpuOn, 4, kEntry, 0), -2);
  EXPECT_EQ(Call(kCpuOn, 0x100, kEntry, 0), -2);
  EXPECT_EQ(Call(kCpuOn, uint64_t{1} << 32, kEntry, 0), -2);
  EXPECT_EQ(Call(kCpuOn, 1, kEntry + 1, 0), -9);
  EXPECT_EQ(Call(kCpuOn, 1, 0x1000, 0), -9);
  EXPECT_EQ(Call(kCpuOn, 1, ~uint64_t{3}, 0), -9);
  EXPECT_EQ(Call(kCpuOn, 0, kEntry, 0), -4);
  EXPECT_EQ(Call(kAffinity, 9), -2);
  EXPECT_EQ(Call(kAffinity, 0, 1), -2);
  // The 32-bit call takes 32-bit arguments.
  EXPECT_EQ(Call(0x84000003, 0xffffffff00000001, 0xffffffff00000000 | kEntry, 0xffffffff00000005),
            0);
  EXPECT_EQ(guest.vcpu(1).start_entry, kEntry);
  EXPECT_EQ(guest.vcpu(1).start_context, 5u);
  // PSCI 0.1, as the device tree numbers it.
  EXPECT_EQ(Call(2, 2, kEntry, 0), 0);
  EXPECT_EQ(guest.Firmware({1}), Action::kWait);
}

TEST_F(VmmPsci, Suspend) {
  EXPECT_EQ(guest.Firmware({0xc4000001}), Action::kBlock);
  EXPECT_EQ(guest.state().x[0], 0u);
}

TEST_F(VmmPsci, SystemOffAndReset) {
  EXPECT_EQ(guest.Firmware({0x84000008}), Action::kEnd);
  EXPECT_EQ(guest.domain->shutdown_reason(), ShutdownReason::kPoweroff);
  TestGuest other;
  EXPECT_EQ(other.Firmware({0x84000009}), Action::kEnd);
  EXPECT_EQ(other.domain->shutdown_reason(), ShutdownReason::kReboot);
}

}  // namespace
}  // namespace pyrene::vmm
