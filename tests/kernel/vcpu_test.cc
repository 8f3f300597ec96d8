// SPDX-License-Identifier: Apache-2.0
//
// vCPUs: creation, exits, what the VMM may write, kick, and the end of either side.
#include "tests/kernel/child.h"
#include "tests/kernel/guest.h"
#include "tests/kernel/task.h"

namespace pyrene::kernel_test {
namespace {

class VcpuTest : public KernelTest {
 protected:
  static uint32_t LastCpu() { return Boot().cpus - 1; }
};

TEST_F(VcpuTest, CreateErrors) {
  const CapIndex domain = NewDomain(8);
  const uint64_t address = FreeAddress(1);
  const CapIndex slot = Slot();
  const auto create = [&](CapIndex destination, uint64_t at) {
    return sys::VcpuCreate(destination, domain, at, 0);
  };
  ASSERT_EQ(create(slot, address), Status::kOk);
  ASSERT_EQ(sys::CapDelete(slot), Status::kOk);
  const uint64_t before = UsedPages();
  EXPECT_EQ(create(slot, address + 8), Status::kBadArgument);
  EXPECT_EQ(create(slot, uint64_t{1} << 39), Status::kBadArgument);
  EXPECT_EQ(create(slot, kStartInfoAddress), Status::kOccupied);
  EXPECT_EQ(create(kSelfThreadCap, address), Status::kOccupied);
  EXPECT_EQ(create(kNullCap, address), Status::kBadArgument);
  EXPECT_EQ(sys::VcpuCreate(slot, kSelfThreadCap, address, 0), Status::kBadType);
  EXPECT_EQ(UsedPages(), before);
}

TEST_F(VcpuTest, StatePageBeginsWithTheReset) {
  const CapIndex domain = NewDomain(8);
  const uint64_t address = FreeAddress(1);
  ASSERT_EQ(sys::VcpuCreate(Slot(), domain, address, 0x0000000300020105), Status::kOk);
  const auto& state = *reinterpret_cast<const VcpuState*>(address);
  for (const uint64_t x : state.x) EXPECT_EQ(x, 0u);
  EXPECT_EQ(state.pc, 0u);
  EXPECT_EQ(state.pstate, 0x3c5u) << "EL1h, everything masked";
  EXPECT_EQ(state.el1.vmpidr, 0x0000000380020105u);
  EXPECT_NE(state.el1.vpidr, 0u);
  EXPECT_EQ(state.el1.sctlr & 1, 0u);
  EXPECT_EQ(state.gic.count, Boot().list_registers);
  EXPECT_EQ(state.gic.used, 0u);
}

TEST_F(VcpuTest, RightsAreNeeded) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  const CapIndex kicker = Slot();
  const CapIndex runner = Slot();
  ASSERT_EQ(sys::CapCopy(kNullCap, kicker, guest.vcpu(), rights::kKick), Status::kOk);
  ASSERT_EQ(sys::CapCopy(kNullCap, runner, guest.vcpu(), rights::kControl), Status::kOk);
  EXPECT_EQ(sys::VcpuRun(kicker, 0).status, Status::kNoRight);
  EXPECT_EQ(sys::VcpuSync(kicker), Status::kNoRight);
  EXPECT_EQ(sys::VcpuTranslate(kicker, 0, TranslateAccess::kRead, 1), Status::kNoRight);
  EXPECT_EQ(sys::VcpuKick(runner), Status::kNoRight);
  EXPECT_EQ(sys::VcpuKick(kicker), Status::kOk);
  EXPECT_EQ(sys::VcpuRun(runner, 0).status, Status::kOk);
  for (const CapIndex wrong : {guest.domain(), kSelfThreadCap}) {
    EXPECT_EQ(sys::VcpuRun(wrong, 0).status, Status::kBadType);
    EXPECT_EQ(sys::VcpuKick(wrong), Status::kBadType);
    EXPECT_EQ(sys::VcpuSync(wrong), Status::kBadType);
    EXPECT_EQ(sys::VcpuTranslate(wrong, 0, TranslateAccess::kRead, 1), Status::kBadType);
  }
  EXPECT_EQ(sys::VcpuRun(Slot(), 0).status, Status::kBadCap);
}

// A thread of the same priority runs before a run that yields.
TEST_F(VcpuTest, RunYieldsFirst) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  struct Shared {
    CapIndex vcpu;
    std::atomic<uint64_t> runs{0}, turns{0}, unfair{0}, failed{0};
    std::atomic<bool> stop{false};
  } shared;
  shared.vcpu = guest.vcpu();
  constexpr uint64_t kRuns = 500;
  TaskOf other(On(LastCpu()), [&shared] {
    while (!shared.stop) {
      shared.turns = shared.turns + 1;
      sys::ThreadYield();
    }
  });
  other->Start();
  ASSERT_TRUE(Eventually([&] { return shared.turns != 0; }));
  TaskOf runner(On(LastCpu()), [&shared] {
    for (uint64_t i = 0; i < kRuns; ++i) {
      const uint64_t before = shared.turns;
      if (sys::VcpuRun(shared.vcpu, run_flags::kYield).reason != ExitReason::kException)
        shared.failed = shared.failed + 1;
      if (shared.turns == before) shared.unfair = shared.unfair + 1;
      shared.runs = i + 1;
    }
  });
  runner->Start();
  ASSERT_TRUE(runner->Ends());
  shared.stop = true;
  ASSERT_TRUE(other->Ends());
  EXPECT_EQ(shared.failed, 0u);
  // The end of the other's slice just before its next step is no fault of this.
  EXPECT_LT(shared.unfair, kRuns / 10);
  EXPECT_EQ(guest.state().x[0], kRuns);
}

TEST_F(VcpuTest, HypercallBringsTheRegisters) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc, 100, 0xabcd);
  VcpuState& state = guest.state();
  for (uint64_t i = 1; i <= 100; ++i) {
    const auto exit = guest.Run();
    ASSERT_EQ(exit.status, Status::kOk);
    ASSERT_EQ(exit.reason, ExitReason::kException);
    ASSERT_EQ(state.exit.esr >> 26, kExitHvc);
    ASSERT_EQ(state.exit.esr & 0xffff, 5u);
    ASSERT_EQ(state.x[0], 100 + i);
    ASSERT_EQ(state.x[1], 0xabcdu);
    ASSERT_EQ(state.pc, guest.Program(kg_hvc) + 8);
    ASSERT_EQ(state.pstate & 0x3cf, 0x3c5u);
  }
  state.x[0] = 7;
  state.pc = guest.Program(kg_hvc);
  ASSERT_EQ(guest.Run().reason, ExitReason::kException);
  EXPECT_EQ(state.x[0], 8u) << "what the VMM writes is what the guest has";
}

TEST_F(VcpuTest, AbortTellsTheAddress) {
  Guest guest(*this);
  VcpuState& state = guest.state();
  guest.Begin(0, kg_load, Guest::kNothing + 0x128);
  ASSERT_EQ(guest.Run().reason, ExitReason::kException);
  EXPECT_EQ(state.exit.esr >> 26, kExitDataAbort);
  EXPECT_EQ(state.exit.esr & (1 << 6), 0u) << "a read";
  EXPECT_NE(state.exit.esr & (1 << 24), 0u) << "with a syndrome";
  EXPECT_EQ(state.exit.far, Guest::kNothing + 0x128);
  EXPECT_EQ(state.exit.hpfar >> 4 << 12, Guest::kNothing);
  EXPECT_EQ(state.pc, guest.Program(kg_load));
  // Repaired, the same instruction goes through.
  const CapIndex page = Ram(1);
  MapAs<uint64_t>(page)[0x128 / 8] = 4711;
  ASSERT_EQ(sys::DomainMap(guest.domain(), page, 0, Guest::kNothing, 1, rights::kRead),
            Status::kOk);
  ASSERT_EQ(guest.Run().reason, ExitReason::kException);
  EXPECT_EQ(state.exit.esr >> 26, kExitHvc);
  EXPECT_EQ(state.x[1], 4711u);
  // Read only: a write is a permission fault.
  guest.Begin(0, kg_store, Guest::kNothing + 8, 1);
  ASSERT_EQ(guest.Run().reason, ExitReason::kException);
  EXPECT_EQ(state.exit.esr >> 26, kExitDataAbort);
  EXPECT_NE(state.exit.esr & (1 << 6), 0u);
  EXPECT_EQ(state.exit.esr & 0x3c, 0x0cu);
  guest.Begin(0, kg_jump, Guest::kNothing);
  ASSERT_EQ(guest.Run().reason, ExitReason::kException);
  EXPECT_EQ(state.exit.esr >> 26, kExitInstructionAbort) << "and nothing is executed there";
}

TEST_F(VcpuTest, OtherExits) {
  Guest guest(*this);
  VcpuState& state = guest.state();
  const struct {
    const char* program;
    uint64_t expected;
  } cases[] = {{kg_smc, kExitSmc}, {kg_read_id, kExitSystemRegister}, {kg_wait, kExitWfx}};
  for (const auto& c : cases) {
    guest.Begin(0, c.program, guest.PageOf(0));
    ASSERT_EQ(guest.Run().reason, ExitReason::kException);
    EXPECT_EQ(state.exit.esr >> 26, c.expected);
    EXPECT_EQ(state.pc, guest.Program(c.program))
        << "the instruction itself: the VMM steps over it";
    if (c.expected == kExitWfx) break;
    state.x[5] = 0x1122;
    state.pc += 4;
    ASSERT_EQ(guest.Run().reason, ExitReason::kException);
    EXPECT_EQ(state.exit.esr >> 26, kExitHvc);
    EXPECT_EQ(state.x[5], 0x1122u);
  }
}

TEST_F(VcpuTest, ModesThatAreNotAGuestsAreRefused) {
  Guest guest(*this);
  VcpuState& state = guest.state();
  guest.Begin(0, kg_hvc);
  const uint64_t good = state.pstate;
  // EL2, EL3, and the privileged modes of AArch32.
  for (const uint64_t mode : {0x08u, 0x09u, 0x0cu, 0x0du, 0x01u, 0x0fu, 0x11u, 0x12u, 0x13u, 0x16u,
                              0x17u, 0x1au, 0x1bu, 0x1fu}) {
    state.pstate = (good & ~uint64_t{0x1f}) | mode;
    const auto exit = guest.Run();
    ASSERT_EQ(exit.status, Status::kOk);
    ASSERT_EQ(exit.reason, ExitReason::kBadState) << std::hex << mode;
  }
  state.pstate = good;
  EXPECT_EQ(guest.Run().reason, ExitReason::kException);
  EXPECT_EQ(state.x[0], 1u) << "nothing had run";
  // EL1t and EL0 are a guest's.
  state.pstate = (good & ~uint64_t{0x1f}) | 0x04;
  EXPECT_EQ(guest.Run().reason, ExitReason::kException);
  EXPECT_EQ(state.exit.esr >> 26, kExitHvc);
}

TEST_F(VcpuTest, GarbageInTheStatePageHarmsTheGuestOnly) {
  Guest guest(*this);
  VcpuState& state = guest.state();
  uint64_t random = 1;
  for (int round = 0; round < 300; ++round) {
    auto* words = reinterpret_cast<uint64_t*>(&state);
    for (unsigned i = 0; i < sizeof(VcpuState) / 8; ++i) {
      random = random * 6364136223846793005 + 1442695040888963407;
      if (random >> 60 == 0) words[i] = random * random;
    }
    if (round % 3 != 0) guest.Begin(0, round % 2 != 0 ? kg_hvc : kg_timer, guest.PageOf(0), 1000);
    // Anything may come of it but the end of the machine; a guest that does not exit is kicked out.
    Vmm vmm(guest, 0);
    TaskOf task(On(LastCpu()), [&vmm] { vmm(); });
    task->Start();
    Sleep(200);
    ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
    ASSERT_TRUE(task->Ends()) << round;
    ASSERT_EQ(vmm.Result(), Status::kOk);
    static_cast<void>(sys::VcpuTranslate(guest.vcpu(), random, TranslateAccess::kWrite, 4));
    ASSERT_EQ(sys::VcpuSync(guest.vcpu()), Status::kOk);
  }
}

TEST_F(VcpuTest, KickIsSticky) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
  ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
  EXPECT_EQ(guest.Run().reason, ExitReason::kKick);
  EXPECT_EQ(guest.state().x[0], 0u) << "before the guest's first instruction";
  EXPECT_EQ(guest.Run().reason, ExitReason::kException) << "two kicks, one exit";
  ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
  EXPECT_EQ(guest.Run(0, run_flags::kBlock).reason, ExitReason::kKick);
}

TEST_F(VcpuTest, KickReachesARunningGuest) {
  for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
    Guest guest(*this);
    guest.Begin(0, kg_count, guest.PageOf(0));
    const auto* count = guest.Page<std::atomic<uint64_t>>();
    for (int i = 0; i < 5; ++i) {
      Vmm vmm(guest, 0);
      TaskOf task(On(cpu), [&vmm] { vmm(); });
      task->Start();
      const uint64_t before = *count;
      ASSERT_TRUE(Eventually([&] { return *count != before; }));
      ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
      ASSERT_TRUE(task->Ends());
      EXPECT_EQ(vmm.Result(), Status::kOk);
      EXPECT_EQ(vmm.Reason(), ExitReason::kKick);
    }
  }
}

TEST_F(VcpuTest, KickEndsAWait) {
  for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
    Guest guest(*this);
    guest.Begin(0, kg_wait, guest.PageOf(0));
    Vmm vmm(guest, 0);
    TaskOf task(On(cpu), [&vmm] { vmm(); });
    task->Start();
    ASSERT_TRUE(
        Eventually([&] { return vmm.waits == 1 && task->State() == ThreadState::kBlocked; }));
    Sleep(2000);
    EXPECT_EQ(task->State(), ThreadState::kBlocked) << "nothing wakes it";
    EXPECT_EQ(*guest.Page<uint64_t>(), 0u);
    ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
    ASSERT_TRUE(task->Ends());
    EXPECT_EQ(vmm.Reason(), ExitReason::kKick);
  }
}

TEST_F(VcpuTest, OneThreadRunsItAtATime) {
  Guest guest(*this);
  guest.Begin(0, kg_count, guest.PageOf(0));
  Vmm vmm(guest, 0);
  TaskOf task(On(LastCpu()), [&vmm] { vmm(); });
  task->Start();
  ASSERT_TRUE(Eventually([&] { return *guest.Page<std::atomic<uint64_t>>() != 0; }));
  EXPECT_EQ(guest.Run().status, Status::kBusy);
  EXPECT_EQ(sys::VcpuSync(guest.vcpu()), Status::kBusy);
  EXPECT_EQ(sys::VcpuTranslate(guest.vcpu(), 0, TranslateAccess::kRead, 1), Status::kBusy);
  ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
  ASSERT_TRUE(task->Ends());
  EXPECT_EQ(sys::VcpuSync(guest.vcpu()), Status::kOk);
}

TEST_F(VcpuTest, StoppedRunnerStaysStoppedAndGoesOn) {
  for (const char* program : {kg_count, kg_wait}) {
    Guest guest(*this);
    guest.Begin(0, program, guest.PageOf(0));
    const auto* count = guest.Page<std::atomic<uint64_t>>();
    Vmm vmm(guest, 0);
    TaskOf task(On(LastCpu()), [&vmm] { vmm(); });
    task->Start();
    const bool waits = program == kg_wait;
    ASSERT_TRUE(
        Eventually([&] { return waits ? task->State() == ThreadState::kBlocked : *count != 0; }));
    ASSERT_EQ(sys::ThreadStop(task->cap()), Status::kOk);
    const uint64_t before = *count;
    // A kick does not start it, and is not lost on it.
    ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
    Sleep(5000);
    EXPECT_EQ(task->State(), ThreadState::kStopped);
    EXPECT_EQ(*count, before);
    EXPECT_FALSE(vmm.ended);
    task->Start();
    ASSERT_TRUE(task->Ends());
    EXPECT_EQ(vmm.Reason(), ExitReason::kKick);
  }
}

TEST_F(VcpuTest, EndOfTheGuestEndsARun) {
  for (const char* program : {kg_count, kg_wait, kg_hvc}) {
    for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
      Guest guest(*this);
      guest.Begin(0, program, guest.PageOf(0));
      Vmm vmm(guest, 0);
      vmm.hypercalls = true;
      TaskOf task(On(cpu), [&vmm] { vmm(); });
      task->Start();
      const auto* count = guest.Page<std::atomic<uint64_t>>();
      ASSERT_TRUE(Eventually([&] { return *count != 0 || vmm.waits != 0 || vmm.calls != 0; }));
      ASSERT_EQ(sys::CapDelete(guest.domain()), Status::kOk);
      ASSERT_TRUE(task->Ends());
      EXPECT_EQ(vmm.Result(), Status::kGone);
      EXPECT_EQ(guest.Run().status, Status::kGone);
      EXPECT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk) << "the vCPU itself is still there";
      EXPECT_EQ(sys::VcpuTranslate(guest.vcpu(), 0, TranslateAccess::kRead, 1), Status::kGone);
      EXPECT_EQ(guest.state().gic.count, Boot().list_registers) << "and so is its state page";
    }
  }
}

TEST_F(VcpuTest, EndOfTheVcpuEndsARun) {
  for (const char* program : {kg_count, kg_wait}) {
    for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
      Guest guest(*this);
      guest.Begin(0, program, guest.PageOf(0));
      Vmm vmm(guest, 0);
      TaskOf task(On(cpu), [&vmm] { vmm(); });
      task->Start();
      const auto* count = guest.Page<std::atomic<uint64_t>>();
      ASSERT_TRUE(Eventually([&] { return *count != 0 || vmm.waits != 0; }));
      ASSERT_EQ(sys::CapDelete(guest.vcpu()), Status::kOk);
      ASSERT_TRUE(task->Ends());
      EXPECT_EQ(vmm.Result(), Status::kGone);
      EXPECT_EQ(guest.Run().status, Status::kBadCap);
    }
  }
}

TEST_F(VcpuTest, EndOfTheRunnerLeavesTheVcpuToOthers) {
  for (const char* program : {kg_count, kg_wait}) {
    for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
      Guest guest(*this);
      guest.Begin(0, program, guest.PageOf(0));
      const auto* count = guest.Page<std::atomic<uint64_t>>();
      {
        Vmm vmm(guest, 0);
        TaskOf task(On(cpu), [&vmm] { vmm(); });
        task->Start();
        ASSERT_TRUE(Eventually([&] { return *count != 0 || vmm.waits != 0; }));
      }
      const uint64_t before = *count;
      Sleep(2000);
      EXPECT_EQ(*count, before) << "it runs without a thread";
      ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
      EXPECT_EQ(guest.Run().reason, ExitReason::kKick);
    }
  }
}

TEST_F(VcpuTest, GuestIsPreemptedLikeAnyThread) {
  Guest one(*this), two(*this);
  one.Begin(0, kg_count, one.PageOf(0));
  two.Begin(0, kg_count, two.PageOf(0));
  Vmm vmm_one(one, 0), vmm_two(two, 0);
  TaskOf task_one(On(LastCpu(), 4), [&vmm_one] { vmm_one(); });
  TaskOf task_two(On(LastCpu(), 4), [&vmm_two] { vmm_two(); });
  task_one->Start();
  task_two->Start();
  const auto* count_one = one.Page<std::atomic<uint64_t>>();
  const auto* count_two = two.Page<std::atomic<uint64_t>>();
  for (int i = 0; i < 5; ++i) {
    const uint64_t before_one = *count_one, before_two = *count_two;
    ASSERT_TRUE(Eventually([&] { return *count_one != before_one && *count_two != before_two; }));
  }
  ASSERT_EQ(sys::VcpuKick(one.vcpu()), Status::kOk);
  ASSERT_EQ(sys::VcpuKick(two.vcpu()), Status::kOk);
  EXPECT_TRUE(task_one->Ends());
  EXPECT_TRUE(task_two->Ends());
}

// A guest that turns off FP, counters and little-endian data for its EL0 does so for itself.
TEST_F(VcpuTest, HostileControlsStayTheGuests) {
  Guest guest(*this);
  guest.Begin(0, kg_poison);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(guest.Run().reason, ExitReason::kException);
    volatile double a = 1.5, b = 2.25;
    EXPECT_EQ(a * b, 3.375);
    EXPECT_NE(sys::Ticks(), 0u);
    volatile uint32_t word = 0x01020304;
    EXPECT_EQ(*reinterpret_cast<volatile uint8_t*>(&word), 4);
    volatile uint8_t bytes[16] = {};
    *reinterpret_cast<volatile uint64_t*>(bytes + 3) = 1;  // not aligned
    EXPECT_EQ(bytes[3], 1);
  }
}

TEST_F(VcpuTest, EverythingComesBack) {
  const auto life = [this] {
    Guest guest(*this, 3);
    guest.Begin(0, kg_hvc);
    ASSERT_EQ(guest.Run().reason, ExitReason::kException);
  };
  life();
  TearDown();
  const auto before = sys::DomainAccount(kSelfDomainCap);
  for (int i = 0; i < 50; ++i) {
    life();
    TearDown();
  }
  const auto after = sys::DomainAccount(kSelfDomainCap);
  EXPECT_EQ(after.used_pages, before.used_pages);
  EXPECT_EQ(after.quota_pages, before.quota_pages);
}

}  // namespace
}  // namespace pyrene::kernel_test
