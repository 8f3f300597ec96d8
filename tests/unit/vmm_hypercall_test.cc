// SPDX-License-Identifier: Apache-2.0
//
// xen_version, console_io, hvm_op, sched_op, vcpu_op, vm_assist, and the dispatch.
#include <gtest/gtest.h>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kVersionCall = 17;
constexpr uint64_t kConsoleCall = 18;
constexpr uint64_t kAssistCall = 21;
constexpr uint64_t kVcpuCall = 24;
constexpr uint64_t kSchedCall = 29;
constexpr uint64_t kHvmCall = 34;

class VmmHypercall : public ::testing::Test {
 protected:
  TestGuest guest{2};
};

TEST_F(VmmHypercall, Dispatch) {
  for (const uint64_t number : {0, 1, 6, 13, 16, 19, 27, 33, 39, 42, 43, 1000}) {
    EXPECT_EQ(guest.Call(number, {0}), -xen::kEnosys) << number;
  }
  EXPECT_EQ(guest.Call(~uint64_t{0}, {0}), -xen::kEnosys);
  for (const uint64_t number : {7, 35, 36, 41})
    EXPECT_EQ(guest.Call(number, {0}), -xen::kEperm) << number;
  // Registers but x0 are kept.
  guest.state().x[1] = 0x1111;
  guest.state().x[20] = 0x2020;
  EXPECT_EQ(guest.Call(kVersionCall, {0, 0x1111, 0x2222, 3, 4}), 0x40011);
  EXPECT_EQ(guest.state().x[1], 0x1111u);
  EXPECT_EQ(guest.state().x[2], 0x2222u);
  EXPECT_EQ(guest.state().x[20], 0x2020u);
}

TEST_F(VmmHypercall, Version) {
  const auto text = [&](uint64_t operation) {
    EXPECT_EQ(guest.Call(kVersionCall, {operation, TestGuest::Va(0x1f80)}), 0);
    return std::string(&guest.Ram<char>(0x1f80));
  };
  EXPECT_EQ(text(1), "-pyrene");
  EXPECT_EQ(text(3), "xen-3.0-aarch64 ");
  EXPECT_EQ(text(4), "");
  EXPECT_EQ(text(9), "<denied>");
  EXPECT_EQ(guest.Call(kVersionCall, {2, TestGuest::Va(0x1f80)}), 0);
  EXPECT_STREQ(&guest.Ram<char>(0x1f80 + 64), "pyrene");
  guest.Ram<uint64_t>(0x1f80) = 1;
  EXPECT_EQ(guest.Call(kVersionCall, {5, TestGuest::Va(0x1f80)}), 0);
  EXPECT_EQ(guest.Ram<uint64_t>(0x1f80), 0u);
  EXPECT_EQ(guest.Call(kVersionCall, {7, 0}), 4096);
  EXPECT_EQ(guest.Call(kVersionCall, {8, TestGuest::Va(0x1f80)}), 0);
  EXPECT_EQ(guest.Ram<uint8_t>(0x1f80), 1);
  EXPECT_EQ(guest.Ram<uint8_t>(0x1f8f), 16);
  EXPECT_EQ(guest.Call(kVersionCall, {10, TestGuest::Va(0x1f80)}), -xen::kEperm);
  EXPECT_EQ(guest.Call(kVersionCall, {11, TestGuest::Va(0x1f80)}), -xen::kEnosys);
  struct {
    uint32_t index, submap;
  } features = {1, 0};
  EXPECT_EQ(guest.CallWith(kVersionCall, 6, &features), -xen::kEinval);
  for (const uint64_t operation : {1, 2, 3, 4, 5, 6, 8, 9}) {
    EXPECT_EQ(guest.Call(kVersionCall, {operation, 0x100}), -xen::kEfault) << operation;
  }
  // The second page of the answer is not writable.
  guest.host.readonly.insert(TestGuest::Va(0x2000));
  EXPECT_EQ(guest.Call(kVersionCall, {3, TestGuest::Va(0x1f80)}), -xen::kEfault);
}

TEST_F(VmmHypercall, ConsoleOutput) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text.push_back(static_cast<char>('a' + i % 26));
  std::memcpy(&guest.Ram<char>(0x10010), text.data(), text.size());
  EXPECT_EQ(guest.Call(kConsoleCall, {0, text.size(), TestGuest::Va(0x10010)}), 0);
  EXPECT_EQ(guest.host.log, text);
  EXPECT_EQ(guest.Call(kConsoleCall, {0, 0, 0}), 0);
  EXPECT_EQ(guest.Call(kConsoleCall, {1, 100, TestGuest::Va(0)}), 0);  // no input
  EXPECT_EQ(guest.Call(kConsoleCall, {2, 1, TestGuest::Va(0)}), -xen::kEnosys);
  EXPECT_EQ(guest.Call(kConsoleCall, {0, 0x80000000, TestGuest::Va(0)}), -xen::kEinval);
  EXPECT_EQ(guest.Call(kConsoleCall, {0, 10, 0x1234}), -xen::kEfault);
}

TEST_F(VmmHypercall, ConsoleOutputIsLimited) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(guest.Call(kConsoleCall, {0, 0x4000, TestGuest::Va(0x10000)}), 0);
  }
  EXPECT_EQ(guest.host.log.size(), GuestLogLimit::kBurst);
  EXPECT_EQ(guest.domain->log_limit().dropped(), 100 * 0x4000 - GuestLogLimit::kBurst);
  guest.host.now += kFrequency;  // a second later
  guest.host.log.clear();
  for (int i = 0; i < 10; ++i) guest.Call(kConsoleCall, {0, 0x4000, TestGuest::Va(0x10000)});
  EXPECT_EQ(guest.host.log.size(), GuestLogLimit::kBytesPerSecond);
}

TEST_F(VmmHypercall, HvmParameters) {
  const auto get = [&](uint32_t index) {
    xen::HvmParam param = {xen::kDomidSelf, 0, index, 0};
    EXPECT_EQ(guest.CallWith(kHvmCall, 1, &param), 0);
    return param.value;
  };
  EXPECT_EQ(get(0), uint64_t{2} << 56 | 2 << 8 | 31);
  EXPECT_EQ(get(1), 0x39001u);
  EXPECT_EQ(get(2), 1u);
  EXPECT_EQ(get(17), 0x39000u);
  EXPECT_EQ(get(18), 2u);
  const auto error = [&](uint64_t operation, uint32_t index, uint16_t domid = xen::kDomidSelf) {
    xen::HvmParam param = {domid, 0, index, 5};
    return guest.CallWith(kHvmCall, operation, &param);
  };
  EXPECT_EQ(error(1, 28), -xen::kEperm);
  EXPECT_EQ(error(1, 3), -xen::kEinval);
  EXPECT_EQ(error(1, 17, 0), -xen::kEperm);
  EXPECT_EQ(error(1, 17, 0x7ff2), -xen::kEsrch);
  EXPECT_EQ(error(1, 17, kTestDomid), 0);
  EXPECT_EQ(error(0, 17), -xen::kEperm);
  EXPECT_EQ(error(0, 28), -xen::kEperm);
  EXPECT_EQ(error(0, 99), -xen::kEinval);
  EXPECT_EQ(error(9, 17), -xen::kEnosys);
  EXPECT_EQ(guest.Call(kHvmCall, {1, 0x77}), -xen::kEfault);
}

TEST_F(VmmHypercall, SchedBlock) {
  EXPECT_EQ(guest.Exit(kSchedCall, {1}), Action::kBlock);
  guest.shared().vcpu_info[0].upcall_pending = 1;
  EXPECT_EQ(guest.Exit(kSchedCall, {1}), Action::kRun);
  EXPECT_EQ(guest.Call(kSchedCall, {0}), 0);
  EXPECT_EQ(guest.action, Action::kYield);
  for (const uint64_t operation : {4, 5, 7, 99})
    EXPECT_EQ(guest.Call(kSchedCall, {operation}), -xen::kEnosys);
}

TEST_F(VmmHypercall, SchedShutdown) {
  uint32_t reason = 6;
  EXPECT_EQ(guest.CallWith(kSchedCall, 2, &reason), -xen::kEinval);
  EXPECT_FALSE(guest.domain->shut_down());
  EXPECT_EQ(guest.Call(kSchedCall, {2, 0x55}), -xen::kEfault);
  reason = 1;
  guest.CallWith(kSchedCall, 2, &reason);
  EXPECT_EQ(guest.action, Action::kEnd);
  EXPECT_EQ(guest.domain->shutdown_reason(), ShutdownReason::kReboot);
}

TEST_F(VmmHypercall, SchedPoll) {
  guest.Ram<uint32_t>(0x2000) = 2;
  guest.Ram<uint32_t>(0x2004) = 1;
  xen::SchedPoll poll = {TestGuest::Va(0x2000), 2, 0, 0};
  guest.CallWith(kSchedCall, 3, &poll);
  EXPECT_EQ(guest.action, Action::kBlock);
  // An event on a masked port wakes it all the same.
  guest.shared().evtchn_mask[0] = ~uint64_t{0};
  guest.host.kicks[0] = 0;
  EXPECT_TRUE(guest.domain->events().RaiseFromService(1, kXenstoreDomid));
  EXPECT_EQ(guest.host.kicks[0], 1);
  // Pending already: no sleep.
  EXPECT_EQ(guest.CallWith(kSchedCall, 3, &poll), 0);
  EXPECT_EQ(guest.action, Action::kRun);
  // A deadline.
  guest.shared().evtchn_pending[0] = 0;
  poll.timeout = 1'000'000;  // 1 ms after boot
  guest.CallWith(kSchedCall, 3, &poll);
  EXPECT_EQ(guest.action, Action::kBlock);
  EXPECT_EQ(guest.host.event_wakes, 1);
  const uint64_t deadline = guest.domain->boot_ticks() + 62'500;
  EXPECT_EQ(guest.domain->RunTimers(), deadline);
  guest.host.now = deadline;
  guest.host.kicks[0] = 0;
  EXPECT_EQ(guest.domain->RunTimers(), kNoDeadline);
  EXPECT_EQ(guest.host.kicks[0], 1);
  // Passed already.
  EXPECT_EQ(guest.CallWith(kSchedCall, 3, &poll), 0);
  EXPECT_EQ(guest.action, Action::kRun);
  poll.timeout = ~uint64_t{0};
  guest.CallWith(kSchedCall, 3, &poll);
  EXPECT_EQ(guest.action, Action::kBlock);
  // Errors.
  poll.nr_ports = 129;
  EXPECT_EQ(guest.CallWith(kSchedCall, 3, &poll), -xen::kEinval);
  poll.nr_ports = 2;
  guest.Ram<uint32_t>(0x2004) = 4096;
  EXPECT_EQ(guest.CallWith(kSchedCall, 3, &poll), -xen::kEinval);
  poll.ports = 3;
  EXPECT_EQ(guest.CallWith(kSchedCall, 3, &poll), -xen::kEfault);
}

TEST_F(VmmHypercall, Watchdog) {
  const auto call = [&](uint32_t id, uint32_t timeout) {
    xen::SchedWatchdog watchdog = {id, timeout};
    return guest.CallWith(kSchedCall, 6, &watchdog);
  };
  EXPECT_EQ(call(0, 0), -xen::kEinval);
  EXPECT_EQ(call(1, 10), -xen::kEexist);
  EXPECT_EQ(call(3, 10), -xen::kEinval);
  EXPECT_EQ(call(0, 10), 1);
  EXPECT_EQ(call(0, 20), 2);
  EXPECT_EQ(call(0, 20), -xen::kEnospc);
  EXPECT_EQ(call(1, 0), 0);
  EXPECT_EQ(call(0, 5), 1);
  EXPECT_EQ(guest.domain->RunTimers(), guest.host.now + 5 * kFrequency);
  guest.host.now += 4 * kFrequency;
  EXPECT_EQ(call(1, 5), 0);  // alive
  guest.host.now += 4 * kFrequency;
  guest.domain->RunTimers();
  EXPECT_FALSE(guest.domain->shut_down());
  guest.host.now += 2 * kFrequency;
  guest.domain->RunTimers();
  ASSERT_TRUE(guest.domain->shut_down());
  EXPECT_EQ(guest.domain->shutdown_reason(), ShutdownReason::kWatchdog);
}

TEST_F(VmmHypercall, RegisterVcpuInfoErrors) {
  const auto call = [&](uint64_t cpu, uint64_t gfn, uint32_t offset) {
    guest.Ram<xen::RegisterVcpuInfo>(0x1000) = {gfn, offset, 0};
    return guest.Call(kVcpuCall, {10, cpu, TestGuest::Va(0x1000)});
  };
  const uint64_t gfn = (xen::kRam0Base >> 12) + 5;
  EXPECT_EQ(call(2, gfn, 0), -xen::kEnoent);
  EXPECT_EQ(call(uint64_t{1} << 40, gfn, 0), -xen::kEnoent);
  EXPECT_EQ(call(0, gfn, 4096 - 40), -xen::kEnxio);
  EXPECT_EQ(call(0, gfn, 4), -xen::kEnxio);
  EXPECT_EQ(call(0, gfn, 0xffffffff), -xen::kEnxio);
  EXPECT_EQ(call(0, 0x39000, 0), -xen::kEinval);
  EXPECT_EQ(call(0, ~uint64_t{0}, 0), -xen::kEinval);
  EXPECT_EQ(guest.Call(kVcpuCall, {10, 0, 0x99}), -xen::kEfault);
  EXPECT_EQ(call(0, gfn, 4096 - 48), 0);
  EXPECT_EQ(call(0, gfn, 0), -xen::kEbusy);
  // For a vCPU that is off.
  EXPECT_EQ(call(1, gfn, 64), 0);
  EXPECT_EQ(guest.Call(kVcpuCall, {3, 1}), 0);
  EXPECT_EQ(guest.Call(kVcpuCall, {3, 0}), 1);
  for (const uint64_t operation : {0, 1, 2, 4, 6, 8, 13, 14}) {
    EXPECT_EQ(guest.Call(kVcpuCall, {operation, 0, 0}), -xen::kEnosys);
  }
}

TEST_F(VmmHypercall, Runstate) {
  const uint64_t at = 0x5ff0;  // crosses a page
  guest.host.mapped_to[TestGuest::Va(0x6000)] = xen::kRam0Base + 0x9000;
  guest.Ram<uint64_t>(0x1000) = TestGuest::Va(at);
  guest.host.now += 1000 * kFrequency / 1000;  // 1 s
  guest.host.cpu_ticks = 600 * kFrequency / 1000;
  EXPECT_EQ(guest.Call(kVcpuCall, {5, 0, TestGuest::Va(0x1000)}), 0);
  EXPECT_EQ(guest.Ram<uint32_t>(at), xen::kRunstateRunning);
  EXPECT_EQ(guest.Ram<uint64_t>(at + 8), 1'000'000'000u);
  EXPECT_EQ(guest.Ram<uint64_t>(0x9000), 600'000'000u);  // running
  EXPECT_EQ(guest.Ram<uint64_t>(0x9008), 400'000'000u);  // stolen
  EXPECT_EQ(guest.Ram<uint64_t>(0x9010), 0u);            // blocked
  // It sleeps for two seconds.
  guest.state().pc = 0;
  EXPECT_EQ(guest.Trap(syndrome::kWaitFor << 26 | syndrome::kLength32), Action::kBlock);
  EXPECT_EQ(guest.Ram<uint32_t>(at), xen::kRunstateBlocked);
  guest.host.now += 2 * kFrequency;
  guest.Call(kVersionCall, {0});
  EXPECT_EQ(guest.Ram<uint32_t>(at), xen::kRunstateRunning);
  HandleExit(guest.vcpu(), ExitReason::kKick);
  EXPECT_EQ(guest.Ram<uint64_t>(0x9010), 2'000'000'000u);
  EXPECT_EQ(guest.Ram<uint64_t>(0x9008), 400'000'000u);
  // With the update flag the last store clears it.
  EXPECT_EQ(guest.Call(kAssistCall, {0, 5}), 0);
  HandleExit(guest.vcpu(), ExitReason::kKick);
  EXPECT_EQ(guest.Ram<uint64_t>(at + 8) & xen::kRunstateUpdating, 0u);
  // A page that goes away is not written, and nothing breaks.
  const uint64_t before = guest.Ram<uint64_t>(0x9008);
  EXPECT_TRUE(guest.domain->physmap().Decrease((xen::kRam0Base >> 12) + 9));
  guest.host.now += kFrequency;
  HandleExit(guest.vcpu(), ExitReason::kKick);
  EXPECT_EQ(guest.Ram<uint64_t>(0x9008), before);
  // Errors.
  guest.Ram<uint64_t>(0x1000) = TestGuest::Va(at) + 4;
  EXPECT_EQ(guest.Call(kVcpuCall, {5, 0, TestGuest::Va(0x1000)}), -xen::kEinval);
  guest.Ram<uint64_t>(0x1000) = 0x10;
  EXPECT_EQ(guest.Call(kVcpuCall, {5, 0, TestGuest::Va(0x1000)}), -xen::kEfault);
  guest.Ram<uint64_t>(0x1000) = kVaOffset + 0x20000000;  // no RAM
  EXPECT_EQ(guest.Call(kVcpuCall, {5, 0, TestGuest::Va(0x1000)}), -xen::kEfault);
  guest.Ram<uint64_t>(0x1000) = TestGuest::Va(0x7ff0);
  guest.host.unmapped.insert(TestGuest::Va(0x8000));
  EXPECT_EQ(guest.Call(kVcpuCall, {5, 0, TestGuest::Va(0x1000)}), -xen::kEfault);
}

TEST_F(VmmHypercall, Assist) {
  EXPECT_EQ(guest.Call(kAssistCall, {0, 5}), 0);
  EXPECT_EQ(guest.Call(kAssistCall, {1, 5}), 0);
  EXPECT_EQ(guest.Call(kAssistCall, {0, 3}), -xen::kEinval);
  EXPECT_EQ(guest.Call(kAssistCall, {2, 5}), -xen::kEnosys);
}

TEST_F(VmmHypercall, CopiesUseFewTranslations) {
  guest.host.translations = 0;
  guest.Call(kVersionCall, {3, TestGuest::Va(0x1f80)});  // two pages
  EXPECT_EQ(guest.host.translations, 1);
  std::vector<char> data(40 * 4096);
  EXPECT_TRUE(CopyFromGuest(guest.vcpu(), TestGuest::Va(0x10), data.data(), data.size()));
  EXPECT_EQ(guest.host.translations, 3);  // 41 pages, 32 at a time
  EXPECT_FALSE(CopyFromGuest(guest.vcpu(), ~uint64_t{0} - 8, data.data(), 64));  // wraps around
  EXPECT_TRUE(CopyFromGuest(guest.vcpu(), 0x77, data.data(), 0));
}

}  // namespace
}  // namespace pyrene::vmm
