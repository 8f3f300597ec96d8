// SPDX-License-Identifier: Apache-2.0
//
// What a Linux guest does from its first instruction to a console, as exits, in its order.
#include <gtest/gtest.h>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

TEST(VmmBoot, EntryState) {
  TestGuest guest;
  const VcpuState& s = guest.state();
  EXPECT_EQ(s.pc, xen::kRam0Base);
  EXPECT_EQ(s.x[0], xen::kRam0Base + 0x1000);
  for (int i = 1; i < 31; ++i) EXPECT_EQ(s.x[i], 0u);
  EXPECT_EQ(s.pstate, 0x3c5u);
  EXPECT_EQ(s.el1.sctlr, 0x00c50078u);
  EXPECT_EQ(s.el1.vmpidr, 0x80000000u);
  EXPECT_EQ(s.el1.vpidr, 0x410fd083u);
  EXPECT_EQ(s.el1.cntvoff, guest.host.now);
  EXPECT_EQ(s.gic.used, 0u);
  EXPECT_EQ(guest.domain->xenstore_port(), 1u);
  EXPECT_EQ(guest.domain->console_port(), 2u);
  EXPECT_EQ(guest.shared().wc_sec, 1'700'000'000u);
  EXPECT_EQ(guest.shared().wc_nsec, 123'456'789u);
  EXPECT_EQ(guest.shared().wc_version % 2, 0u);
}

TEST(VmmBoot, LinuxSequence) {
  TestGuest guest;
  // earlycon=xenboot
  std::memcpy(&guest.Ram<char>(0x2ffe), "Booting Linux\n", 14);
  EXPECT_EQ(guest.Call(18, {0, 14, TestGuest::Va(0x2ffe)}), 0);
  EXPECT_EQ(guest.host.log, "Booting Linux\n");
  // setup_arch: features
  struct {
    uint32_t index, submap;
  } features = {0, 0};
  EXPECT_EQ(guest.CallWith(17, 6, &features), 0);
  EXPECT_EQ(features.submap, 0x16005u);
  // GIC
  EXPECT_EQ(guest.ReadGicd(0x4), 1u);  // 64 interrupts, one CPU
  guest.WriteGicd(0x0, 0);
  EXPECT_EQ(guest.ReadGicd(0x800), 0x01010101u);
  guest.WriteGicd(0xc08, 0);
  guest.WriteGicd(0x420, 0xa0a0a0a0);
  guest.WriteGicd(0x380, ~0u);
  guest.WriteGicd(0x180, ~0u);
  guest.WriteGicd(0x0, 1);
  guest.WriteGicd(0x400 + 24, 0xa0a0a0a0);
  guest.WriteGicd(0x400 + 28, 0xa0a0a0a0);
  guest.WriteGicd(0x100, 0xffff);
  guest.WriteGicd(0x100, 1u << 27);
  EXPECT_EQ(guest.state().gic.timer_template, 27u | 0xa0u >> 3 << 23 | list_register::kPending);
  // console_init
  xen::HvmParam param = {xen::kDomidSelf, 0, 18, 0};
  EXPECT_EQ(guest.CallWith(34, 1, &param), 0);
  EXPECT_EQ(param.value, 2u);
  param.index = 17;
  EXPECT_EQ(guest.CallWith(34, 1, &param), 0);
  EXPECT_EQ(param.value, 0x39000u);
  // console output before shared_info exists
  xen::EvtchnPort port = {2};
  EXPECT_EQ(guest.CallWith(32, 4, &port), 0);
  ASSERT_EQ(guest.host.notified.size(), 1u);
  EXPECT_EQ(guest.host.notified[0].service, 7);
  EXPECT_EQ(guest.host.notified[0].bit, 1);
  EXPECT_EQ(guest.Call(29, {0, 0}), 0);
  EXPECT_EQ(guest.action, Action::kYield);
  // The console answers before the guest can hear it.
  EXPECT_TRUE(guest.domain->events().RaiseFromService(2, kConsoleDomid));
  // xen_guest_init
  xen::AddToPhysmap add = {xen::kDomidSelf, 0, 0, 0, (xen::kRam0Base >> 12) + 0x100};
  EXPECT_EQ(guest.CallWith(12, 7, &add), 0);
  EXPECT_EQ(guest.host.stage2[add.gpfn], "frame 0:0");
  xen::GrantQuerySize size = {xen::kDomidSelf, 0, 0, 0, 0, 0};
  EXPECT_EQ(guest.CallWith(20, 6, &size), 0);
  EXPECT_EQ(size.status, 0);
  EXPECT_EQ(size.nr_frames, 1u);
  EXPECT_EQ(size.max_nr_frames, 8u);
  uint32_t version = 1;
  EXPECT_EQ(guest.CallWith(20, 8, &version), 0);
  for (int i = 3; i >= 0; --i) {
    add = {xen::kDomidSelf, 0, 1, static_cast<uint64_t>(i), 0x38000 + static_cast<uint64_t>(i)};
    EXPECT_EQ(guest.CallWith(12, 7, &add), 0);
  }
  EXPECT_EQ(guest.domain->grants().frames(), 4u);
  // 2-level events
  xen::EvtchnStatus control = {};
  EXPECT_EQ(guest.CallWith(32, 11, &control), -38);
  for (uint64_t& word : guest.shared().evtchn_mask) word = ~uint64_t{0};
  // vcpu_info, then PPI 31
  xen::RegisterVcpuInfo info = {(xen::kRam0Base >> 12) + 0x20, 0x40, 0};
  guest.Ram<xen::RegisterVcpuInfo>(0x1000) = info;
  EXPECT_EQ(guest.Call(24, {10, 0, TestGuest::Va(0x1000)}), 0);
  EXPECT_EQ(guest.Call(24, {10, 0, TestGuest::Va(0x1000)}), -16);
  auto& record = guest.Ram<xen::VcpuInfo>(0x20040);
  EXPECT_EQ(record.upcall_pending, 1);
  EXPECT_EQ(record.pending_sel, ~uint64_t{0});
  EXPECT_EQ(guest.InListRegisters().count(31), 0u);
  guest.WriteGicd(0x100, 1u << 31);
  EXPECT_EQ(guest.InListRegisters().count(31), 1u);
  EXPECT_EQ(guest.shared().evtchn_pending[0], 4u);  // the early event is not lost
  // acknowledge, and unmask the console's port
  guest.state().gic.used = 0;
  record.upcall_pending = 0;
  record.pending_sel = 0;
  port = {2};
  EXPECT_EQ(guest.CallWith(32, 9, &port), 0);
  EXPECT_EQ(record.upcall_pending, 1);
  EXPECT_EQ(record.pending_sel, 1u);
  EXPECT_EQ(guest.InListRegisters().count(31), 1u);
  // vm_assist, runstate
  EXPECT_EQ(guest.Call(21, {0, 5}), 0);
  guest.Ram<uint64_t>(0x1000) = TestGuest::Va(0x5ff0);  // crosses a page
  EXPECT_EQ(guest.Call(24, {5, 0, TestGuest::Va(0x1000)}), 0);
  // PSCI and SMCCC
  guest.Firmware({0x84000000});
  EXPECT_EQ(guest.state().x[0], 0x10001u);
  guest.Firmware({0x80000001, 0x80008000});
  EXPECT_EQ(guest.state().x[0], 0xffffffffu);
  // idle
  guest.state().pc = 0x4000;
  EXPECT_EQ(guest.Trap(syndrome::kWaitFor << 26 | syndrome::kLength32), Action::kBlock);
  EXPECT_EQ(guest.state().pc, 0x4004u);
  // poweroff
  uint32_t reason = 0;
  guest.CallWith(29, 2, &reason);
  EXPECT_EQ(guest.action, Action::kEnd);
  EXPECT_TRUE(guest.domain->shut_down());
  EXPECT_EQ(guest.domain->shutdown_reason(), ShutdownReason::kPoweroff);
}

}  // namespace
}  // namespace pyrene::vmm
