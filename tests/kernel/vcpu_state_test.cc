// SPDX-License-Identifier: Apache-2.0
//
// The state of vCPUs: sync, translate, and that none sees another's registers or translations.
#include <memory>

#include "tests/kernel/code.h"
#include "tests/kernel/guest.h"
#include "tests/kernel/task.h"

namespace pyrene::kernel_test {
namespace {

// Stage 1 of a guest: 4 KiB granule, 39-bit addresses, TTBR0 only.
constexpr uint64_t kTable = 3, kLeaf = 3 | 1 << 10 | 3 << 8, kReadOnly = 1 << 7;
constexpr uint64_t kTcr = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | uint64_t{2} << 32;  // EPD1
constexpr uint64_t kMair = 0xff;
constexpr uint64_t kMmuOn = 1;

class VcpuStateTest : public KernelTest {
 protected:
  static uint32_t LastCpu() { return Boot().cpus - 1; }

  // Tables in three spare pages from `page` on: `virtual_page` and its followers lead to `targets`,
  // 0: to nothing. The programs and the rest of the first GiB of RAM stay where they are.
  static uint64_t BuildTables(const Guest& guest, uint64_t page, uint64_t virtual_page,
                              const std::vector<uint64_t>& targets) {
    auto* level1 = guest.View<uint64_t>(guest.Spare(page));
    auto* level2 = guest.View<uint64_t>(guest.Spare(page + 1));
    auto* level3 = guest.View<uint64_t>(guest.Spare(page + 2));
    level1[Guest::kRam >> 30] = Guest::kRam | (kLeaf & ~uint64_t{2});  // a block
    const uint64_t address = virtual_page * kPage;
    level1[address >> 30] = guest.Spare(page + 1) | kTable;
    level2[address >> 21 & 511] = guest.Spare(page + 2) | kTable;
    for (uint64_t i = 0; i < targets.size(); ++i)
      level3[(virtual_page + i) & 511] = targets[i] == 0 ? 0 : targets[i] | kLeaf;
    return guest.Spare(page);
  }
  static void TurnOnMmu(VcpuState& state, uint64_t root) {
    state.el1.ttbr0 = root;
    state.el1.tcr = kTcr;
    state.el1.mair = kMair;
    state.el1.sctlr |= kMmuOn;
  }
};

constexpr uint64_t kVirtual = uint64_t{5} << 30 | 0x123 << 12;

TEST_F(VcpuStateTest, SyncShowsAndTakesEl1Registers) {
  Guest guest(*this);
  auto* watch = guest.Page<GuestWatch>();
  watch->seed = 0x77000;
  watch->hypercalls = 1;
  guest.Begin(0, kg_watch, guest.PageOf(0));
  VcpuState& state = guest.state();
  ASSERT_EQ(guest.Run().reason, ExitReason::kException);
  ASSERT_EQ(state.exit.esr & 0xffff, 12u);
  ASSERT_EQ(sys::VcpuSync(guest.vcpu()), Status::kOk);
  EXPECT_EQ(state.el1.ttbr0, 0x78000u);
  EXPECT_EQ(state.el1.mair, 0x7a000u);
  EXPECT_EQ(state.el1.vbar, 0x7b000u);
  EXPECT_EQ(state.el1.esr, 0x7c000u);
  EXPECT_EQ(state.el1.far, 0x7d000u);
  EXPECT_EQ(state.el1.elr, 0x7e000u);
  EXPECT_EQ(state.el1.tpidr_el1, 0x7f000u);
  EXPECT_EQ(state.el1.contextidr, 0x80000u);
  EXPECT_EQ(state.el1.sp_el0, 0x81000u);
  EXPECT_EQ(state.el1.tpidr_el0, 0x82000u);
  EXPECT_EQ(state.el1.tpidrro_el0, 0x83000u);
  ASSERT_EQ(guest.Run().reason, ExitReason::kException);
  EXPECT_EQ(watch->errors, 0u) << "sync changes nothing";
  // What the VMM writes after a sync is what the guest has.
  ASSERT_EQ(sys::VcpuSync(guest.vcpu()), Status::kOk);
  state.el1.tpidr_el1 = 0xbad;
  ASSERT_EQ(guest.Run().reason, ExitReason::kException);
  EXPECT_EQ(watch->errors, 1u);
  ASSERT_EQ(sys::VcpuSync(guest.vcpu()), Status::kOk);
  EXPECT_EQ(state.el1.tpidr_el1, 0xbadu);
}

TEST_F(VcpuStateTest, SyncReachesAnotherCpu) {
  Guest guest(*this);
  auto* watch = guest.Page<GuestWatch>();
  watch->seed = 0x1000;
  watch->hypercalls = 1;
  guest.Begin(0, kg_watch, guest.PageOf(0));
  for (uint32_t cpu = 0; cpu < Boot().cpus; ++cpu) {
    Vmm vmm(guest, 0);
    TaskOf task(On(cpu), [&vmm] { vmm(); });
    task->Start();
    ASSERT_TRUE(task->Ends());
    ASSERT_EQ(vmm.ExitClass(), kExitHvc);
    // Its EL1 registers are in that CPU's hardware.
    memset(&guest.state().el1.ttbr0, 0, 8);
    ASSERT_EQ(sys::VcpuSync(guest.vcpu()), Status::kOk);
    EXPECT_EQ(guest.state().el1.ttbr0, 0x2000u) << cpu;
  }
  EXPECT_EQ(watch->errors, 0u);
}

TEST_F(VcpuStateTest, Translate) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  VcpuState& state = guest.state();
  const uint64_t targets[] = {guest.Spare(8), guest.Spare(5), 0, guest.Spare(6)};
  TurnOnMmu(state, BuildTables(guest, 0, kVirtual / kPage,
                               {targets[0], targets[1], 0, targets[3] | kReadOnly}));
  const auto translate = [&](uint64_t address, TranslateAccess access, uint64_t pages) {
    return sys::VcpuTranslate(guest.vcpu(), address, access, pages);
  };
  constexpr uint64_t kAddressMask = 0xfffffffff000;
  for (int round = 0; round < 2; ++round) {  // before its first run, and loaded
    ASSERT_EQ(translate(kVirtual + 0x345, TranslateAccess::kRead, 4), Status::kOk);
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(state.translation[i] & 1, i == 2 ? 1u : 0u) << i;
      if (i != 2) {
        EXPECT_EQ(state.translation[i] & kAddressMask, targets[i]) << i;
      }
    }
    ASSERT_EQ(translate(kVirtual, TranslateAccess::kWrite, 4), Status::kOk);
    EXPECT_EQ(state.translation[1] & 1, 0u);
    EXPECT_EQ(state.translation[3] & 1, 1u) << "read only";
    ASSERT_EQ(translate(~uint64_t{0xfff}, TranslateAccess::kRead, 1), Status::kOk);
    EXPECT_EQ(state.translation[0] & 1, 1u) << "TTBR1 is off";
    ASSERT_EQ(guest.Run().reason, ExitReason::kException);
    EXPECT_EQ(state.exit.esr >> 26, kExitHvc) << "the guest runs on as it was";
  }
  EXPECT_EQ(translate(kVirtual, TranslateAccess::kRead, 0), Status::kBadArgument);
  EXPECT_EQ(translate(kVirtual, TranslateAccess::kRead, VcpuState::kMaxTranslations + 1),
            Status::kBadArgument);
  EXPECT_EQ(translate(kVirtual, TranslateAccess::kRead, VcpuState::kMaxTranslations), Status::kOk);
}

TEST_F(VcpuStateTest, TranslateFollowsTheGuestsTables) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  VcpuState& state = guest.state();
  TurnOnMmu(state, BuildTables(guest, 0, kVirtual / kPage, {guest.Spare(8)}));
  auto* level3 = guest.View<uint64_t>(guest.Spare(2));
  // Nothing there before, so no TLB has it; the tables lie where stage 2 has nothing.
  level3[0x124] = guest.Spare(9) | kLeaf;
  ASSERT_EQ(sys::VcpuTranslate(guest.vcpu(), kVirtual, TranslateAccess::kRead, 2), Status::kOk);
  EXPECT_EQ(state.translation[1] & 0xfffffffff000, guest.Spare(9));
  ASSERT_EQ(sys::VcpuSync(guest.vcpu()), Status::kOk);
  state.el1.ttbr0 = Guest::kNothing;
  ASSERT_EQ(sys::VcpuTranslate(guest.vcpu(), kVirtual, TranslateAccess::kRead, 1), Status::kOk);
  EXPECT_EQ(state.translation[0] & 1, 1u);
  // The service's own translations are as before.
  EXPECT_EQ(guest.state().gic.count, Boot().list_registers);
}

TEST_F(VcpuStateTest, HypercallTranslatesItsArguments) {
  Guest guest(*this);
  guest.Begin(0, kg_hvc);
  VcpuState& state = guest.state();
  TurnOnMmu(state, BuildTables(guest, 0, kVirtual / kPage, {guest.Spare(8), 0}));
  state.hvc_translate = 0x16;  // x1, x2, x4
  state.x[1] = kVirtual + 8;
  state.x[2] = kVirtual + kPage;
  state.x[3] = kVirtual;
  state.x[4] = Guest::kRam;
  state.exit.par[3] = 0x5555;
  ASSERT_EQ(guest.Run().reason, ExitReason::kException);
  ASSERT_EQ(state.exit.esr >> 26, kExitHvc);
  EXPECT_EQ(state.exit.par[1] & 0xfffffffff001, guest.Spare(8));
  EXPECT_EQ(state.exit.par[2] & 1, 1u);
  EXPECT_EQ(state.exit.par[3], 0x5555u) << "not asked for";
  EXPECT_EQ(state.exit.par[4] & 0xfffffffff001, Guest::kRam);
}

// Guests with values of their own in every register, several on one CPU, moved about.
TEST_F(VcpuStateTest, RegistersOfGuestsStayApart) {
  constexpr unsigned kGuests = 6;
  std::vector<std::unique_ptr<Guest>> guests;
  std::vector<std::unique_ptr<Vmm>> vmms;
  std::vector<std::unique_ptr<Task>> tasks;
  for (unsigned i = 0; i < kGuests; ++i) {
    guests.push_back(std::make_unique<Guest>(*this));
    auto* watch = guests[i]->Page<GuestWatch>();
    watch->seed = uint64_t{i + 1} << 16 | i;
    watch->hypercalls = i % 2;
    guests[i]->Begin(0, kg_watch, guests[i]->PageOf(0));
    vmms.push_back(std::make_unique<Vmm>(*guests[i], 0));
    vmms[i]->hypercalls = true;
    tasks.push_back(std::make_unique<Task>([](void* vmm) { (*static_cast<Vmm*>(vmm))(); },
                                           vmms[i].get(), On(i % Boot().cpus)));
  }
  // A service with FP values of its own between them.
  RegisterWatch service{.seed = 0xfeed000000000000, .call = 1};
  TaskOf service_task(On(0), [&service] { kt_watch_registers(&service); });
  service_task->Start();
  for (auto& task : tasks) task->Start();
  const uint64_t rounds = Option("rounds", 60);
  for (uint64_t round = 0; round < rounds; ++round) {
    Sleep(2000);
    Task& task = *tasks[round % kGuests];
    ASSERT_EQ(
        sys::ThreadSet(task.cap(), On(static_cast<uint32_t>(round * 7 / 3 % Boot().cpus)), 0, 0),
        Status::kOk);
  }
  for (unsigned i = 0; i < kGuests; ++i) {
    ASSERT_EQ(sys::VcpuKick(guests[i]->vcpu()), Status::kOk);
    ASSERT_TRUE(tasks[i]->Ends());
    EXPECT_EQ(vmms[i]->Reason(), ExitReason::kKick);
    const auto* watch = guests[i]->Page<GuestWatch>();
    EXPECT_GT(watch->rounds, 10u) << i;
    EXPECT_EQ(watch->errors, 0u) << i << ": " << std::hex << watch->differences;
  }
  __atomic_store_n(&service.stop, 1, __ATOMIC_RELEASE);
  ASSERT_TRUE(service_task->Ends());
  EXPECT_EQ(service.errors, 0u);
}

// Two vCPUs of one guest on one CPU, the same virtual address, other tables: neither sees what the
// TLB has of the other.
TEST_F(VcpuStateTest, TranslationsOfSiblingsStayApart) {
  Guest guest(*this, 2);
  for (unsigned i = 0; i < 2; ++i) {
    const uint64_t target = guest.Spare(8 + i);
    *guest.View<uint64_t>(target) = 0x1000 + i;
    guest.Begin(i, kg_reread, kVirtual, 0x1000 + i);
    TurnOnMmu(guest.state(i), BuildTables(guest, i * 3, kVirtual / kPage, {target}));
  }
  for (int round = 0; round < 200; ++round) {
    const unsigned i = round % 2;
    ASSERT_EQ(guest.Run(i).reason, ExitReason::kException);
    ASSERT_EQ(guest.state(i).exit.esr >> 26, kExitHvc);
    ASSERT_EQ(guest.state(i).x[2], 0u) << "round " << round << " read " << guest.state(i).x[3];
  }
  EXPECT_EQ(guest.state(0).x[4], 100u);
}

// A new vCPU where an old one was, perhaps at the same place in the kernel's memory.
TEST_F(VcpuStateTest, TranslationsDoNotOutliveAVcpu) {
  Guest guest(*this, 1);
  for (int round = 0; round < 20; ++round) {
    const uint64_t target = guest.Spare(8 + round % 4);
    *guest.View<uint64_t>(target) = 0x5000 + round;
    const CapIndex vcpu = Slot();
    const uint64_t address = FreeAddress(1);
    ASSERT_EQ(sys::VcpuCreate(vcpu, guest.domain(), address, 0), Status::kOk);
    auto& state = *reinterpret_cast<VcpuState*>(address);
    state.pc = guest.Program(kg_reread);
    state.x[0] = kVirtual;
    state.x[1] = 0x5000 + round;
    TurnOnMmu(state, BuildTables(guest, 0, kVirtual / kPage, {target}));
    ASSERT_EQ(sys::VcpuRun(vcpu, 0).reason, ExitReason::kException);
    ASSERT_EQ(state.exit.esr >> 26, kExitHvc);
    EXPECT_EQ(state.x[2], 0u) << "round " << round << " read " << std::hex << state.x[3];
    ASSERT_EQ(sys::CapDelete(vcpu), Status::kOk);
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
