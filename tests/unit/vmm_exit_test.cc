// SPDX-License-Identifier: Apache-2.0
//
// Exits that are no hypercalls: traps, aborts, injected exceptions, and the life cycle's actions.
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kVbar = 0xffff800008010800;

uint64_t SysregEsr(uint32_t op0, uint32_t op1, uint32_t crn, uint32_t crm, uint32_t op2,
                   uint32_t rt, bool read) {
  return syndrome::kSystemRegister << 26 | syndrome::kLength32 | op0 << 20 | op2 << 17 | op1 << 14 |
         crn << 10 | rt << 5 | crm << 1 | (read ? 1 : 0);
}

class VmmExit : public ::testing::Test {
 protected:
  VmmExit() {
    guest.state().el1.vbar = kVbar;
    guest.state().pstate = 0x5;  // EL1h, interrupts on
  }
  // The trapped access, PC at 0x5000; true if it was answered, false if it is undefined.
  bool Sysreg(uint32_t op0, uint32_t op1, uint32_t crn, uint32_t crm, uint32_t op2,
              bool read = true, uint32_t rt = 7) {
    VcpuState& s = guest.state();
    s.pstate = 0x5;
    s.pc = 0x5000;
    s.x[7] = 0xdead;
    EXPECT_EQ(guest.Trap(SysregEsr(op0, op1, crn, crm, op2, rt, read)), Action::kRun);
    if (s.pc == 0x5004) return true;
    EXPECT_EQ(s.pc, kVbar + 0x200);
    EXPECT_EQ(s.el1.elr, 0x5000u);
    EXPECT_EQ(s.el1.esr, 0x2000000u);
    EXPECT_EQ(s.el1.spsr, 0x5u);
    EXPECT_EQ(s.pstate, 0x3c5u);
    return false;
  }
  uint64_t x7() { return guest.state().x[7]; }
  TestGuest guest;
};

TEST_F(VmmExit, IdRegisters) {
  EXPECT_TRUE(Sysreg(3, 0, 0, 4, 0));
  EXPECT_EQ(x7(), 0x12u);  // EL1 AArch64 only, EL0 both, FP and SIMD, no EL2, EL3, GIC
  EXPECT_TRUE(Sysreg(3, 0, 0, 5, 0));
  EXPECT_EQ(x7(), 0x10305006u);  // no PMU
  EXPECT_TRUE(Sysreg(3, 0, 0, 6, 0));
  EXPECT_EQ(x7(), 0x10000u);
  EXPECT_TRUE(Sysreg(3, 0, 0, 7, 0));
  EXPECT_EQ(x7(), 0x1122u);            // 40 bits, 4 KiB and 64 KiB pages
  EXPECT_TRUE(Sysreg(3, 0, 0, 7, 7));  // unallocated: zero
  EXPECT_EQ(x7(), 0u);
  EXPECT_TRUE(Sysreg(3, 0, 0, 1, 0));
  EXPECT_EQ(x7(), 0x131u);
  EXPECT_TRUE(Sysreg(3, 0, 0, 4, 0, true, 31));  // to the zero register
  EXPECT_FALSE(Sysreg(3, 0, 0, 4, 0, false));    // cannot be written
  EXPECT_FALSE(Sysreg(3, 0, 0, 8, 0));
  EXPECT_FALSE(Sysreg(3, 0, 0, 0, 0));
}

TEST_F(VmmExit, DebugPmuActlr) {
  EXPECT_TRUE(Sysreg(2, 0, 0, 2, 2));  // MDSCR
  EXPECT_EQ(x7(), 0u);
  EXPECT_TRUE(Sysreg(2, 0, 0, 2, 2, false));
  EXPECT_TRUE(Sysreg(2, 0, 1, 1, 4));  // OSLSR
  EXPECT_EQ(x7(), 8u);
  EXPECT_TRUE(Sysreg(2, 0, 1, 0, 4, false));   // OSLAR
  EXPECT_TRUE(Sysreg(2, 0, 0, 5, 5, false));   // DBGBCR5
  EXPECT_FALSE(Sysreg(2, 1, 0, 0, 0));         // trace
  EXPECT_TRUE(Sysreg(3, 3, 9, 14, 0, false));  // PMUSERENR
  EXPECT_TRUE(Sysreg(3, 3, 9, 12, 0));         // PMCR
  EXPECT_EQ(x7(), 0u);
  EXPECT_TRUE(Sysreg(3, 3, 14, 8, 0));  // PMEVCNTR0
  EXPECT_TRUE(Sysreg(3, 0, 9, 14, 1));  // PMINTENSET
  EXPECT_TRUE(Sysreg(3, 0, 1, 0, 1));   // ACTLR
  EXPECT_TRUE(Sysreg(3, 0, 1, 0, 1, false));
}

TEST_F(VmmExit, UnknownRegistersAreUndefined) {
  EXPECT_FALSE(Sysreg(3, 0, 12, 12, 5));         // ICC_SRE
  EXPECT_FALSE(Sysreg(3, 0, 12, 11, 5, false));  // ICC_SGI1R
  EXPECT_FALSE(Sysreg(3, 3, 14, 2, 1));          // CNTP_CTL
  EXPECT_FALSE(Sysreg(3, 1, 11, 0, 2));          // implementation defined
  EXPECT_FALSE(Sysreg(1, 0, 7, 14, 2, false));   // DC CISW
  EXPECT_FALSE(Sysreg(3, 4, 1, 1, 0));
}

TEST_F(VmmExit, UndefinedFromEachMode) {
  struct {
    uint64_t pstate, offset;
  } const cases[] = {{0x5, 0x200}, {0x4, 0x0}, {0x0, 0x400}, {0x10, 0x600}, {0x60000030, 0x600}};
  for (const auto& c : cases) {
    VcpuState& s = guest.state();
    s.pstate = c.pstate;
    s.pc = 0x7000;
    guest.Trap(0);  // unknown reason
    EXPECT_EQ(s.pc, kVbar + c.offset);
    EXPECT_EQ(s.el1.spsr, c.pstate);
    EXPECT_EQ(s.el1.elr, 0x7000u);
    EXPECT_EQ(s.pstate, 0x3c5u);
  }
  EXPECT_EQ(guest.host.syncs, 6);  // one at boot, five here
}

TEST_F(VmmExit, OtherHvcAndSmcImmediatesAreUndefined) {
  VcpuState& s = guest.state();
  s.pc = 0x7004;
  guest.Trap(syndrome::kHvc64 << 26 | syndrome::kLength32 | 0x4b48);
  EXPECT_EQ(s.el1.elr, 0x7000u);
  EXPECT_EQ(s.pc, kVbar + 0x200);
  s.pstate = 0x5;
  s.pc = 0x7000;
  guest.Trap(syndrome::kSmc64 << 26 | syndrome::kLength32 | 1);
  EXPECT_EQ(s.el1.elr, 0x7000u);
}

TEST_F(VmmExit, AbortsOutsideTheMap) {
  VcpuState& s = guest.state();
  s.pc = 0x6000;
  const uint64_t abort =
      syndrome::kDataAbort << 26 | syndrome::kLength32 | syndrome::kValid | 2u << 22 | 0x7;
  guest.Trap(abort | syndrome::kWrite, 0, 0x09000000);
  EXPECT_EQ(s.pc, kVbar + 0x200);
  EXPECT_EQ(s.el1.esr, uint64_t{0x25} << 26 | syndrome::kLength32 | syndrome::kWrite | 0x10);
  EXPECT_EQ(s.el1.far, kVaOffset + 0x09000000);
  EXPECT_EQ(s.el1.elr, 0x6000u);
  s.pstate = 0;  // from EL0
  guest.Trap(abort, 0, 0x09000000);
  EXPECT_EQ(s.pc, kVbar + 0x400);
  EXPECT_EQ(s.el1.esr, uint64_t{0x24} << 26 | syndrome::kLength32 | 0x10);
  s.pstate = 0x5;
  guest.Trap(syndrome::kInstructionAbort << 26 | syndrome::kLength32 | 0x7, 0, 0x1000);
  EXPECT_EQ(s.el1.esr, uint64_t{0x21} << 26 | syndrome::kLength32 | 0x10);
  // The distributor's address, but not an access that can be emulated.
  for (const uint64_t esr :
       {abort & ~syndrome::kValid, abort | syndrome::kTableWalk, (abort & ~uint64_t{0x3f}) | 0xf}) {
    s.pstate = 0x5;
    s.pc = 0x6000;
    guest.Trap(esr, 0, xen::kGicdBase + 4);
    EXPECT_EQ(s.pc, kVbar + 0x200);
  }
  // The CPU interface is the hardware's: an abort there means it is not mapped.
  s.pstate = 0x5;
  guest.Trap(abort, 0, xen::kGiccBase);
  EXPECT_EQ(s.pc, kVbar + 0x200);
}

TEST_F(VmmExit, LoadsExtendAndZeroRegister) {
  VcpuState& s = guest.state();
  guest.WriteGicd(0x400 + 27, 0xf8, 0, 0);
  const uint64_t load = syndrome::kDataAbort << 26 | syndrome::kLength32 | syndrome::kValid | 0x7;
  guest.Trap(load | 3 << 16 | syndrome::kSignExtend | syndrome::kSixtyFour, 0,
             xen::kGicdBase + 0x400 + 27);
  EXPECT_EQ(s.x[3], 0xfffffffffffffff8u);
  guest.Trap(load | 3 << 16 | syndrome::kSignExtend, 0, xen::kGicdBase + 0x400 + 27);
  EXPECT_EQ(s.x[3], 0xfffffff8u);
  s.pc = 0x6000;
  const uint64_t before = s.pstate;
  guest.Trap(load | 2u << 22 | 31 << 16, 0, xen::kGicdBase + 4);
  EXPECT_EQ(s.pc, 0x6004u);
  guest.Trap(load | 2u << 22 | 31 << 16 | syndrome::kWrite, 0, xen::kGicdBase);
  EXPECT_EQ(guest.ReadGicd(0), 0u);
  EXPECT_EQ(s.pstate, before);
  // A sign-extending word load (LDRSW) takes the careful path.
  guest.WriteGicd(0x104, 0x80000000);
  guest.Trap(load | 2u << 22 | 3 << 16 | syndrome::kSignExtend | syndrome::kSixtyFour, 0,
             xen::kGicdBase + 0x104);
  EXPECT_EQ(s.x[3], 0xffffffff80000000u);
}

TEST_F(VmmExit, WaitForInterruptAndEvent) {
  guest.state().pc = 0x100;
  EXPECT_EQ(guest.Trap(syndrome::kWaitFor << 26 | syndrome::kLength32), Action::kBlock);
  EXPECT_TRUE(guest.vcpu().IsBlocked());
  EXPECT_EQ(HandleExit(guest.vcpu(), ExitReason::kKick), Action::kRun);
  EXPECT_FALSE(guest.vcpu().IsBlocked());
  EXPECT_EQ(guest.Trap(syndrome::kWaitFor << 26 | syndrome::kLength32 | 1), Action::kYield);
  EXPECT_EQ(guest.state().pc, 0x108u);
}

TEST_F(VmmExit, BadStateIsACrash) {
  EXPECT_EQ(HandleExit(guest.vcpu(), ExitReason::kBadState), Action::kEnd);
  EXPECT_EQ(guest.domain->shutdown_reason(), ShutdownReason::kCrash);
}

TEST(VmmLifeCycle, PauseAndUnpause) {
  TestGuest guest(2);
  guest.Start(1);
  guest.domain->Pause();
  EXPECT_TRUE(guest.domain->paused());
  EXPECT_EQ(guest.host.kicks[0], 1);
  EXPECT_EQ(guest.host.kicks[1], 1);
  EXPECT_EQ(HandleExit(guest.vcpu(0), ExitReason::kKick), Action::kWait);
  EXPECT_EQ(guest.domain->Resume(guest.vcpu(0)), Action::kWait);
  guest.domain->Unpause();
  EXPECT_GE(guest.host.wakes[0], 1);
  EXPECT_EQ(guest.domain->Resume(guest.vcpu(0)), Action::kRun);
  // vCPU 1 did not look in between.
  EXPECT_EQ(HandleExit(guest.vcpu(1), ExitReason::kKick), Action::kRun);
}

TEST(VmmLifeCycle, ShutdownStopsEveryVcpuOnce) {
  TestGuest guest(3);
  guest.Start(1);
  EXPECT_EQ(guest.domain->Resume(guest.vcpu(2)), Action::kWait);
  guest.domain->RequestShutdown(ShutdownReason::kReboot);
  guest.domain->RequestShutdown(ShutdownReason::kCrash);
  EXPECT_EQ(guest.domain->shutdown_reason(), ShutdownReason::kReboot);
  EXPECT_EQ(HandleExit(guest.vcpu(0), ExitReason::kKick), Action::kEnd);
  EXPECT_EQ(guest.Exit(17, {0}, 1), Action::kEnd);
  EXPECT_EQ(guest.host.wakes[2], 1);
  EXPECT_EQ(guest.domain->Resume(guest.vcpu(2)), Action::kEnd);
}

TEST(VmmLifeCycle, ResetBringsTheStartStateBack) {
  TestGuest guest(2);
  guest.Start(1);
  xen::AddToPhysmap add = {xen::kDomidSelf, 0, 0, 0, (xen::kRam0Base >> 12) + 0x100};
  EXPECT_EQ(guest.CallWith(12, 7, &add), 0);
  add = {xen::kDomidSelf, 0, 1, 5, 0x38005};
  EXPECT_EQ(guest.CallWith(12, 7, &add), 0);
  guest.WriteGicd(0, 1);
  guest.WriteGicd(0x100, ~0u);
  guest.WriteGicd(0xf00, 2u << 24 | 5);
  guest.shared().evtchn_mask[3] = 77;
  guest.grant_entries()[9] = {1, 2, 3};
  std::memset(guest.memory.magic().host, 0x55, 100);
  guest.domain->RequestShutdown(ShutdownReason::kReboot);
  const uint64_t boot = guest.host.now += 1000;
  guest.domain->Reset();
  EXPECT_TRUE(guest.host.stage2.empty());
  EXPECT_TRUE(guest.host.removed.empty());
  EXPECT_FALSE(guest.domain->shut_down());
  EXPECT_EQ(guest.memory.present_pages(), guest.memory.total_pages());
  EXPECT_EQ(guest.shared().evtchn_mask[3], 0u);
  EXPECT_EQ(guest.grant_entries()[9].flags, 0);
  EXPECT_EQ(guest.grant_entries()[0].domid, kConsoleDomid);
  EXPECT_EQ(guest.grant_entries()[0].frame, 0x39000u);
  EXPECT_EQ(guest.grant_entries()[1].domid, kXenstoreDomid);
  EXPECT_EQ(guest.grant_entries()[1].frame, 0x39001u);
  EXPECT_EQ(guest.memory.magic().host[5], std::byte{0});
  EXPECT_EQ(guest.domain->console_port(), 2u);
  EXPECT_EQ(guest.domain->grants().frames(), 1u);
  EXPECT_EQ(guest.domain->Resume(guest.vcpu(0)), Action::kWait);
  guest.domain->Boot(xen::kRam0Base, 0, 0);
  EXPECT_EQ(guest.domain->Resume(guest.vcpu(0)), Action::kRun);
  EXPECT_EQ(guest.state().el1.cntvoff, boot);
  EXPECT_EQ(guest.state().gic.used, 0u);
  EXPECT_EQ(guest.state().gic.timer_template, 0u);
  EXPECT_EQ(guest.ReadGicd(0), 0u);
  EXPECT_EQ(guest.ReadGicd(0x100), 0xffffu);
  EXPECT_EQ(guest.domain->Resume(guest.vcpu(1)), Action::kWait);
}

TEST(VmmLifeCycle, Decisions) {
  OnActions actions;
  EXPECT_EQ(Decide(ShutdownReason::kPoweroff, actions).fate, Fate::kDestroy);
  EXPECT_EQ(Decide(ShutdownReason::kReboot, actions).fate, Fate::kRestart);
  EXPECT_EQ(Decide(ShutdownReason::kCrash, actions).fate, Fate::kDestroy);
  EXPECT_EQ(Decide(ShutdownReason::kSuspend, actions).fate, Fate::kPreserve);
  EXPECT_EQ(Decide(ShutdownReason::kSoftReset, actions).fate, Fate::kRestart);
  actions.crash = OnAction::kCoredumpRestart;
  EXPECT_TRUE(Decide(ShutdownReason::kCrash, actions).coredump);
  EXPECT_EQ(Decide(ShutdownReason::kCrash, actions).fate, Fate::kRestart);
  actions.watchdog = OnAction::kRenameRestart;
  EXPECT_TRUE(Decide(ShutdownReason::kWatchdog, actions).rename);
  actions.poweroff = OnAction::kPreserve;
  EXPECT_EQ(Decide(ShutdownReason::kPoweroff, actions).fate, Fate::kPreserve);
}

TEST(VmmConfig, Errors) {
  DomainConfig config;
  config.counter_frequency = 1;
  EXPECT_NE(ConfigError(config), nullptr);
  config.domid = 1;
  EXPECT_EQ(ConfigError(config), nullptr);
  config.vcpus = 9;
  EXPECT_NE(ConfigError(config), nullptr);
  config.vcpus = 8;
  config.max_event_channels = 4096;
  EXPECT_NE(ConfigError(config), nullptr);
  config.max_event_channels = 4095;
  config.max_grant_frames = 5000;
  EXPECT_NE(ConfigError(config), nullptr);
  config.max_grant_frames = 4096;
  EXPECT_EQ(ConfigError(config), nullptr);
  config.domid = 0x7ff0;
  EXPECT_NE(ConfigError(config), nullptr);
}

TEST(VmmTicks, Conversions) {
  const TickScale slow(62'500'000);
  EXPECT_EQ(slow.ToNs(62'500'000), 1'000'000'000u);
  EXPECT_EQ(slow.ToNs(1), 16u);
  EXPECT_EQ(slow.ToTicks(1), 1u);
  EXPECT_EQ(slow.ToTicks(16), 1u);
  EXPECT_EQ(slow.ToTicks(17), 2u);
  const TickScale board(54'000'000);
  for (const uint64_t seconds : {1ull, 3600ull, 4'000'000'000ull}) {
    const uint64_t ns = seconds * 1'000'000'000;
    EXPECT_NEAR(static_cast<double>(board.ToNs(seconds * 54'000'000)), static_cast<double>(ns),
                1.0);
    EXPECT_EQ(board.ToTicks(ns), seconds * 54'000'000);
  }
  EXPECT_EQ(TickScale(1'000'000'001).ToTicks(~uint64_t{0}), ~uint64_t{0});
}

TEST(VmmIdRegisters, HidesWhatIsNotProvided) {
  IdRegisters host;
  for (uint64_t& v : host.value) v = 0x2222'2222'2222'2222;
  const IdRegisters guest = GuestIdRegisters(host);
  const auto field = [&](unsigned crm, unsigned op2, unsigned low) {
    return guest.value[IdRegisters::Index(crm, op2)] >> low & 0xf;
  };
  for (const unsigned low : {8, 12, 24, 28, 32, 36, 40, 44, 52})
    EXPECT_EQ(field(4, 0, low), 0u) << low;
  EXPECT_EQ(field(4, 0, 4), 1u);  // EL1 AArch64 only
  EXPECT_EQ(field(4, 1, 8), 0u);  // MTE
  EXPECT_EQ(field(4, 4, 0), 0u);  // SVE
  EXPECT_EQ(field(5, 0, 8), 0u);  // PMU
  for (const unsigned low : {4, 8, 24, 28})
    EXPECT_EQ(field(6, 1, low), 0u);  // pointer authentication
  for (const unsigned low : {8, 12}) EXPECT_EQ(field(6, 2, low), 0u);
  EXPECT_EQ(field(7, 0, 0), 2u);
  EXPECT_EQ(field(7, 0, 20), 1u);  // 16 KiB pages without LPA2
  EXPECT_EQ(field(7, 2, 16), 0u);  // 52-bit addresses
  EXPECT_EQ(field(7, 1, 8), 0u);   // VHE
}

}  // namespace
}  // namespace pyrene::vmm
