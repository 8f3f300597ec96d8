// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/vmm_test_guest.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kOp = 32;

class VmmEventChannel : public ::testing::Test {
 protected:
  VmmEventChannel() : guest(2) {
    guest.Start(1);
    for (uint32_t cpu = 0; cpu < 2; ++cpu) {
      guest.Ram<xen::RegisterVcpuInfo>(0x1000) = {(xen::kRam0Base >> 12) + 0x20 + cpu, 0, 0};
      EXPECT_EQ(guest.Call(24, {10, cpu, TestGuest::Va(0x1000)}, cpu), 0);
      guest.WriteGicd(0x0, 1, cpu);
      guest.WriteGicd(0x100, 1u << 31, cpu);
      Quiet(cpu);
    }
  }
  xen::VcpuInfo& info(uint32_t cpu) { return guest.Ram<xen::VcpuInfo>(0x20000 + cpu * 0x1000); }
  // The guest has handled everything.
  void Quiet(uint32_t cpu) {
    info(cpu).upcall_pending = 0;
    info(cpu).pending_sel = 0;
    guest.state(cpu).gic.used = 0;
    for (uint64_t& word : guest.shared().evtchn_pending) word = 0;
  }
  template <typename T>
  int64_t Do(uint64_t op, T* argument, uint32_t cpu = 0) {
    return guest.CallWith(kOp, op, argument, 1, cpu);
  }
  uint32_t AllocUnbound(uint16_t remote) {
    xen::EvtchnAllocUnbound a = {xen::kDomidSelf, remote, 0};
    EXPECT_EQ(Do(xen::kAllocUnbound, &a), 0);
    return a.port;
  }
  int64_t PortOp(uint64_t op, uint32_t port, uint32_t cpu = 0) {
    xen::EvtchnPort a = {port};
    return Do(op, &a, cpu);
  }
  xen::EvtchnStatus Status(uint32_t port) {
    xen::EvtchnStatus status = {};
    status.dom = xen::kDomidSelf;
    status.port = port;
    EXPECT_EQ(Do(xen::kStatus, &status), 0);
    return status;
  }
  bool Pending(uint32_t port) {
    return (guest.shared().evtchn_pending[port / 64] >> (port % 64) & 1) != 0;
  }

  TestGuest guest;
};

TEST_F(VmmEventChannel, AllocatesLowestFreePort) {
  EXPECT_EQ(AllocUnbound(kBackendDomid), 3u);
  EXPECT_EQ(AllocUnbound(kBackendDomid), 4u);
  EXPECT_EQ(AllocUnbound(xen::kDomidSelf), 5u);
  EXPECT_EQ(PortOp(xen::kClose, 4), 0);
  EXPECT_EQ(AllocUnbound(1), 4u);
  EXPECT_EQ(Status(3).status, xen::kPortUnbound);
  EXPECT_EQ(Status(3).u0, kBackendDomid);
  EXPECT_EQ(Status(5).u0, kTestDomid);
  xen::EvtchnAllocUnbound other = {9, 1, 0};
  EXPECT_EQ(Do(xen::kAllocUnbound, &other), -xen::kEperm);
  other.dom = 0x7ff4;
  EXPECT_EQ(Do(xen::kAllocUnbound, &other), -xen::kEsrch);
  other.dom = kTestDomid;  // its own id
  EXPECT_EQ(Do(xen::kAllocUnbound, &other), 0);
}

TEST_F(VmmEventChannel, LimitIsEnospc) {
  xen::EvtchnBindIpi ipi = {0, 0};
  uint32_t highest = 0;
  int64_t result = 0;
  for (int i = 0; i < 5000 && result == 0; ++i) {
    result = Do(xen::kBindIpi, &ipi);
    if (result == 0) highest = ipi.port;
  }
  EXPECT_EQ(result, -xen::kEnospc);
  EXPECT_EQ(highest, 1023u);
  EXPECT_EQ(PortOp(xen::kClose, 500), 0);
  EXPECT_EQ(Do(xen::kBindIpi, &ipi), 0);
  EXPECT_EQ(ipi.port, 500u);
}

TEST_F(VmmEventChannel, Loopback) {
  const uint32_t remote = AllocUnbound(xen::kDomidSelf);
  xen::EvtchnBindInterdomain bind = {xen::kDomidSelf, 0, remote, 0};
  EXPECT_EQ(Do(xen::kBindInterdomain, &bind), 0);
  EXPECT_TRUE(Pending(bind.local_port));  // covers what was sent before
  EXPECT_EQ(guest.InListRegisters(0).count(31), 1u);
  EXPECT_EQ(Status(remote).u1, bind.local_port);
  EXPECT_EQ(Status(bind.local_port).u1, remote);
  Quiet(0);
  EXPECT_EQ(PortOp(xen::kSend, bind.local_port), 0);
  EXPECT_TRUE(Pending(remote));
  EXPECT_FALSE(Pending(bind.local_port));
  EXPECT_EQ(info(0).pending_sel, 1u);
  EXPECT_EQ(info(0).upcall_pending, 1);
  // A second binding finds it taken.
  EXPECT_EQ(Do(xen::kBindInterdomain, &bind), -xen::kEinval);
  // Closing one end leaves the other unbound for the closer; its pending bit goes.
  EXPECT_EQ(PortOp(xen::kClose, remote), 0);
  EXPECT_FALSE(Pending(remote));
  EXPECT_EQ(Status(remote).status, xen::kPortClosed);
  EXPECT_EQ(Status(bind.local_port).status, xen::kPortUnbound);
  EXPECT_EQ(Status(bind.local_port).u0, kTestDomid);
  EXPECT_EQ(PortOp(xen::kSend, bind.local_port), 0);  // dropped
  EXPECT_EQ(PortOp(xen::kSend, remote), -xen::kEinval);
  bind = {5, 0, bind.local_port, 0};
  EXPECT_EQ(Do(xen::kBindInterdomain, &bind), -xen::kEperm);
  bind = {xen::kDomidSelf, 0, 3000000, 0};
  EXPECT_EQ(Do(xen::kBindInterdomain, &bind), -xen::kEinval);
}

TEST_F(VmmEventChannel, BindToUnboundForAnotherDomainIsRefused) {
  const uint32_t port = AllocUnbound(kBackendDomid);
  xen::EvtchnBindInterdomain bind = {xen::kDomidSelf, 0, port, 0};
  EXPECT_EQ(Do(xen::kBindInterdomain, &bind), -xen::kEinval);
}

TEST_F(VmmEventChannel, IpiGoesToItsVcpu) {
  xen::EvtchnBindIpi ipi = {1, 0};
  EXPECT_EQ(Do(xen::kBindIpi, &ipi), 0);
  guest.host.kicks[1] = 0;
  EXPECT_EQ(PortOp(xen::kSend, ipi.port), 0);
  EXPECT_TRUE(Pending(ipi.port));
  EXPECT_EQ(info(1).pending_sel, 1u);
  EXPECT_EQ(info(0).pending_sel, 0u);
  EXPECT_EQ(guest.host.kicks[1], 1);
  EXPECT_TRUE(guest.InListRegisters(1).empty());
  EXPECT_EQ(HandleExit(guest.vcpu(1), ExitReason::kKick), Action::kRun);
  EXPECT_EQ(guest.InListRegisters(1).count(31), 1u);
  // IPIs cannot be moved.
  xen::EvtchnBindVcpu move = {ipi.port, 0};
  EXPECT_EQ(Do(xen::kBindVcpu, &move), -xen::kEinval);
  ipi.vcpu = 2;
  EXPECT_EQ(Do(xen::kBindIpi, &ipi), -xen::kEnoent);
}

TEST_F(VmmEventChannel, MaskedEventsWaitForUnmask) {
  xen::EvtchnBindIpi ipi = {0, 0};
  EXPECT_EQ(Do(xen::kBindIpi, &ipi), 0);
  guest.shared().evtchn_mask[0] = ~uint64_t{0};
  EXPECT_EQ(PortOp(xen::kSend, ipi.port), 0);
  EXPECT_TRUE(Pending(ipi.port));
  EXPECT_EQ(info(0).upcall_pending, 0);
  EXPECT_EQ(PortOp(xen::kUnmask, ipi.port), 0);
  EXPECT_EQ(info(0).upcall_pending, 1);
  EXPECT_EQ(guest.InListRegisters(0).count(31), 1u);
  Quiet(0);
  EXPECT_EQ(PortOp(xen::kUnmask, ipi.port), 0);  // was not masked
  EXPECT_EQ(info(0).upcall_pending, 0);
  EXPECT_EQ(PortOp(xen::kUnmask, 4096), -xen::kEinval);
  EXPECT_EQ(PortOp(xen::kUnmask, 0xffffffff), -xen::kEinval);
}

TEST_F(VmmEventChannel, UpcallRaisedAgainWhileActiveIsPendingAndActive) {
  xen::EvtchnBindIpi ipi = {0, 0};
  EXPECT_EQ(Do(xen::kBindIpi, &ipi), 0);
  EXPECT_EQ(PortOp(xen::kSend, ipi.port), 0);
  // The guest acknowledges the interrupt and clears the upcall flag.
  VcpuState::Gic& gic = guest.state().gic;
  gic.lr[0] = (gic.lr[0] & ~list_register::kPending) | list_register::kActive;
  info(0).upcall_pending = 0;
  info(0).pending_sel = 0;
  guest.shared().evtchn_pending[0] = 0;
  EXPECT_EQ(PortOp(xen::kSend, ipi.port), 0);
  EXPECT_EQ(gic.used, 1u);
  EXPECT_EQ(gic.lr[0] & (list_register::kPending | list_register::kActive),
            list_register::kPending | list_register::kActive);
}

TEST_F(VmmEventChannel, BindVcpuMovesDelivery) {
  const uint32_t port = AllocUnbound(kBackendDomid);
  EXPECT_TRUE(guest.domain->events().BindService(port, kBackendDomid, {4, 9}));
  ASSERT_EQ(guest.host.notified.size(), 1u);  // looks once
  xen::EvtchnBindVcpu move = {port, 1};
  EXPECT_EQ(Do(xen::kBindVcpu, &move), 0);
  EXPECT_EQ(Status(port).vcpu, 1u);
  EXPECT_TRUE(guest.domain->events().RaiseFromService(port, kBackendDomid));
  EXPECT_EQ(info(1).upcall_pending, 1);
  EXPECT_EQ(info(0).upcall_pending, 0);
  move.vcpu = 7;
  EXPECT_EQ(Do(xen::kBindVcpu, &move), -xen::kEnoent);
  move = {700, 0};
  EXPECT_EQ(Do(xen::kBindVcpu, &move), -xen::kEinval);
  // The vCPU stays with the port when the service goes and comes back.
  EXPECT_TRUE(guest.domain->events().UnbindService(port, kBackendDomid));
  EXPECT_EQ(Status(port).status, xen::kPortUnbound);
  EXPECT_EQ(Status(port).vcpu, 1u);
}

TEST_F(VmmEventChannel, ServicesReachOnlyTheirOwnPorts) {
  EventChannels& events = guest.domain->events();
  const uint32_t port = AllocUnbound(kBackendDomid);
  EXPECT_FALSE(events.BindService(port, kBackendDomid + 1, {4, 1}));
  EXPECT_FALSE(events.RaiseFromService(port, kBackendDomid));  // not bound yet
  EXPECT_TRUE(events.BindService(port, kBackendDomid, {4, 1}));
  EXPECT_TRUE(events.BindService(port, kBackendDomid, {4, 2}));  // restarted
  EXPECT_FALSE(events.BindService(port, kConsoleDomid, {4, 2}));
  EXPECT_FALSE(events.RaiseFromService(port, kConsoleDomid));
  EXPECT_FALSE(events.RaiseFromService(0, kConsoleDomid));
  EXPECT_FALSE(events.RaiseFromService(99999, kConsoleDomid));
  EXPECT_FALSE(events.UnbindService(port, kConsoleDomid));
  EXPECT_FALSE(events.BindService(99999, kConsoleDomid, {}));
  EXPECT_EQ(PortOp(xen::kSend, port), 0);
  EXPECT_EQ(guest.host.notified.back().bit, 2);
  EXPECT_EQ(Status(port).status, xen::kPortInterdomain);
  EXPECT_EQ(Status(port).u0, kBackendDomid);
  EXPECT_EQ(PortOp(xen::kClose, port), 0);
  ASSERT_EQ(guest.host.closed.size(), 1u);
  EXPECT_EQ(guest.host.closed[0], port);
  EXPECT_FALSE(events.RaiseFromService(port, kBackendDomid));
  // A guest's own domid is no service.
  const uint32_t own = AllocUnbound(xen::kDomidSelf);
  EXPECT_FALSE(events.BindService(own, kTestDomid, {}));
}

TEST_F(VmmEventChannel, SignalsToServicesAreLimited) {
  for (uint32_t i = 0; i < EventChannels::kBurst; ++i) EXPECT_EQ(PortOp(xen::kSend, 2), 0);
  EXPECT_EQ(guest.host.notified.size(), EventChannels::kBurst);
  for (uint32_t i = 0; i < EventChannels::kBurst; ++i) EXPECT_EQ(PortOp(xen::kSend, 2), 0);
  EXPECT_EQ(guest.host.notified.size(), 2 * EventChannels::kBurst);  // a window begins
  EXPECT_EQ(guest.host.event_wakes, 0);
  const size_t before = guest.host.notified.size();
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(PortOp(xen::kSend, 1 + i % 2), 0);
  EXPECT_EQ(guest.host.notified.size(), before);
  EXPECT_EQ(guest.host.event_wakes, 1);
  // At its end each port is signalled once.
  const uint64_t due = guest.domain->RunTimers();
  EXPECT_EQ(due, guest.host.now + kFrequency / 100);
  EXPECT_EQ(guest.host.notified.size(), before);
  guest.host.now = due;
  EXPECT_EQ(guest.domain->RunTimers(), kNoDeadline);
  ASSERT_EQ(guest.host.notified.size(), before + 2);
  EXPECT_NE(guest.host.notified[before].service, guest.host.notified[before + 1].service);
  EXPECT_EQ(PortOp(xen::kSend, 2), 0);
  EXPECT_EQ(guest.host.notified.size(), before + 3);
}

// What the vCPU's own thread does signals nobody, however often, and raises the answer without a
// kick; what it leaves is signalled as ever.
TEST_F(VmmEventChannel, AServiceMayBeServedOnTheSpot) {
  int served = 0;
  bool all = true;
  guest.host.serve_here = [&](ServiceEnd, Vcpu& vcpu) {
    ++served;
    EXPECT_TRUE(guest.domain->events().RaiseFromService(2, kConsoleDomid, &vcpu));
    return all ? Host::Served::kYes : Host::Served::kNo;
  };
  const int kicks = guest.host.kicks[0];
  for (uint32_t i = 0; i < 3 * EventChannels::kBurst; ++i) EXPECT_EQ(PortOp(xen::kSend, 2), 0);
  EXPECT_EQ(served, static_cast<int>(3 * EventChannels::kBurst));
  EXPECT_TRUE(guest.host.notified.empty());
  EXPECT_EQ(guest.host.event_wakes, 0);
  EXPECT_EQ(guest.host.kicks[0], kicks);
  EXPECT_TRUE(guest.domain->events().IsPending(2));
  all = false;
  EXPECT_EQ(PortOp(xen::kSend, 2), 0);
  EXPECT_EQ(guest.host.notified.size(), 1u);
}

// What the vCPU's own thread puts off is done before a vCPU sleeps, and signalled soon if none
// does.
TEST_F(VmmEventChannel, AServiceMayBeServedWhenTheGuestSleeps) {
  int served = 0;
  guest.host.serve_here = [](ServiceEnd, Vcpu&) { return Host::Served::kPutOff; };
  guest.host.serve_put_off = [&](Vcpu&) { ++served; };
  EXPECT_FALSE(guest.domain->events().has_put_off());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(PortOp(xen::kSend, 2), 0);
  EXPECT_TRUE(guest.host.notified.empty());
  EXPECT_EQ(guest.host.event_wakes, 1);  // of the timer
  EXPECT_EQ(served, 0);
  EXPECT_EQ(guest.Trap(syndrome::kWaitFor << 26 | syndrome::kLength32), Action::kBlock);
  EXPECT_EQ(served, 1);
  EXPECT_EQ(guest.Trap(syndrome::kWaitFor << 26 | syndrome::kLength32), Action::kBlock);
  EXPECT_EQ(served, 1);
  // The window is of 10 ms.
  const uint64_t due = guest.domain->RunTimers();
  EXPECT_EQ(due, guest.host.now + kFrequency / 100 / EventChannels::kPatience);
  EXPECT_TRUE(guest.host.notified.empty());
  guest.host.now = due;
  EXPECT_EQ(guest.domain->RunTimers(), kNoDeadline);
  EXPECT_EQ(guest.host.notified.size(), 1u);
  EXPECT_EQ(PortOp(xen::kSend, 2), 0);
  EXPECT_EQ(guest.host.event_wakes, 2);
}

TEST_F(VmmEventChannel, Virqs) {
  xen::EvtchnBindVirq virq = {xen::kVirqDebug, 1, 0};
  EXPECT_EQ(Do(xen::kBindVirq, &virq), 0);
  const uint32_t port = virq.port;
  EXPECT_EQ(Status(port).status, xen::kPortVirq);
  EXPECT_EQ(Status(port).u0, xen::kVirqDebug);
  EXPECT_EQ(Do(xen::kBindVirq, &virq), -xen::kEexist);
  guest.domain->events().RaiseVirq(xen::kVirqDebug, 1);
  guest.domain->events().RaiseVirq(xen::kVirqDebug, 0);  // not bound there
  guest.domain->events().RaiseVirq(99, 99);
  EXPECT_TRUE(Pending(port));
  EXPECT_EQ(info(1).upcall_pending, 1);
  EXPECT_EQ(PortOp(xen::kSend, port), -xen::kEinval);
  xen::EvtchnBindVcpu move = {port, 0};
  EXPECT_EQ(Do(xen::kBindVcpu, &move), -xen::kEinval);
  EXPECT_EQ(PortOp(xen::kClose, port), 0);
  EXPECT_EQ(Do(xen::kBindVirq, &virq), 0);
  virq = {24, 0, 0};
  EXPECT_EQ(Do(xen::kBindVirq, &virq), -xen::kEinval);
  virq = {xen::kVirqTimer, 8, 0};
  EXPECT_EQ(Do(xen::kBindVirq, &virq), -xen::kEnoent);
  virq = {2, 1, 0};  // global, not vCPU 0
  EXPECT_EQ(Do(xen::kBindVirq, &virq), -xen::kEinval);
  virq = {2, 0, 0};
  EXPECT_EQ(Do(xen::kBindVirq, &virq), -xen::kEbusy);
}

TEST_F(VmmEventChannel, CloseAndReset) {
  EXPECT_EQ(PortOp(xen::kClose, 0), -xen::kEinval);
  EXPECT_EQ(PortOp(xen::kClose, 77), -xen::kEinval);
  EXPECT_EQ(PortOp(xen::kClose, 1u << 31), -xen::kEinval);
  AllocUnbound(1);
  xen::EvtchnReset reset = {7};
  EXPECT_EQ(Do(xen::kReset, &reset), -xen::kEperm);
  reset.dom = xen::kDomidSelf;
  EXPECT_EQ(Do(xen::kReset, &reset), 0);
  for (uint32_t port = 1; port < 10; ++port) EXPECT_EQ(Status(port).status, xen::kPortClosed);
  EXPECT_EQ(guest.host.closed.size(), 2u);  // console and xenstore are told
  EXPECT_EQ(AllocUnbound(1), 1u);
}

TEST_F(VmmEventChannel, StatusErrors) {
  xen::EvtchnStatus status = {};
  status.dom = xen::kDomidSelf;
  EXPECT_EQ(Do(xen::kStatus, &status), -xen::kEinval);
  status.port = 1024;
  EXPECT_EQ(Do(xen::kStatus, &status), -xen::kEinval);
  status.port = 1;
  status.dom = 0;
  EXPECT_EQ(Do(xen::kStatus, &status), -xen::kEperm);
}

TEST_F(VmmEventChannel, UnknownOperationsAndBadPointers) {
  for (const uint64_t op : {2, 11, 12, 13, 14, 99})
    EXPECT_EQ(guest.Call(kOp, {op, TestGuest::Va(0)}), -xen::kEnosys);
  for (uint64_t op = 0; op <= 10; ++op) {
    if (op == 2) continue;
    EXPECT_EQ(guest.Call(kOp, {op, 0x1234}), -xen::kEfault) << op;
    EXPECT_EQ(guest.Call(kOp, {op, kVaOffset + 0x3000000}), -xen::kEfault) << op;
  }
  // Output to a page that is read-only for the guest.
  guest.host.readonly.insert(TestGuest::Va(0x1000));
  xen::EvtchnAllocUnbound a = {xen::kDomidSelf, 1, 0};
  EXPECT_EQ(Do(xen::kAllocUnbound, &a), -xen::kEfault);
}

TEST_F(VmmEventChannel, ArgumentAcrossPages) {
  guest.host.mapped_to[TestGuest::Va(0x3000)] = xen::kRam1Base;  // next page lies elsewhere
  xen::EvtchnBindIpi ipi = {1, 0};
  const uint64_t at = 0x3000 - 4;
  guest.Ram<uint32_t>(at) = ipi.vcpu;
  EXPECT_EQ(guest.Call(kOp, {xen::kBindIpi, TestGuest::Va(at)}), 0);
  EXPECT_EQ(*static_cast<uint32_t*>(guest.memory.At(xen::kRam1Base, 4)), 3u);
}

TEST(VmmEventChannelEarly, EventsBeforeRegistrationAreHeld) {
  TestGuest guest(2);
  guest.Start(1);
  EventChannels& events = guest.domain->events();
  // vCPU 0 has its record in shared_info.
  EXPECT_TRUE(events.RaiseFromService(2, kConsoleDomid));
  EXPECT_EQ(guest.shared().vcpu_info[0].upcall_pending, 1);
  EXPECT_EQ(guest.shared().vcpu_info[0].pending_sel, 1u);
  // vCPU 1 has none yet.
  xen::EvtchnBindIpi ipi = {1, 0};
  EXPECT_EQ(guest.CallWith(kOp, xen::kBindIpi, &ipi), 0);
  xen::EvtchnPort port = {ipi.port};
  EXPECT_EQ(guest.CallWith(kOp, xen::kSend, &port), 0);
  EXPECT_EQ(guest.vcpu(1).gic.incoming & (uint64_t{1} << 31), 0u);
  guest.Ram<xen::RegisterVcpuInfo>(0x1000) = {(xen::kRam0Base >> 12) + 0x30, 0, 0};
  EXPECT_EQ(guest.Call(24, {10, 1, TestGuest::Va(0x1000)}, 1), 0);
  EXPECT_EQ(guest.Ram<xen::VcpuInfo>(0x30000).pending_sel, ~uint64_t{0});
  guest.WriteGicd(0, 1, 1);
  guest.WriteGicd(0x100, 1u << 31, 1);
  EXPECT_EQ(guest.InListRegisters(1).count(31), 1u);
}

}  // namespace
}  // namespace pyrene::vmm
