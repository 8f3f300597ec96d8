// SPDX-License-Identifier: Apache-2.0
//
// __HYPERVISOR_sched_op: x0 = operation, x1 = struct. Times in SCHEDOP_poll are nanoseconds of the
// guest's virtual counter, which starts at 0 at its boot; Arm guests see no other system time.
#include "services/vmm/hypercall.h"
#include "services/vmm/runstate.h"
#include "services/vmm/translator.h"

namespace pyrene::vmm {
namespace {

Outcome Block(Vcpu& vcpu) {
  const xen::VcpuInfo* info = vcpu.info.load();
  // An event recorded after this look kicks, and the kick makes the sleep return.
  if (info != nullptr && __atomic_load_n(&info->upcall_pending, __ATOMIC_SEQ_CST) != 0) return 0;
  BeginBlock(vcpu);
  return {0, Action::kBlock};
}

Outcome Shutdown(Vcpu& vcpu) {
  uint32_t reason = 0;
  if (!ReadArgument(vcpu, &reason)) return -xen::kEfault;
  if (reason >= kShutdownReasons) return -xen::kEinval;
  vcpu.domain->RequestShutdown(static_cast<ShutdownReason>(reason));
  return {0, Action::kEnd};
}

Outcome Poll(Vcpu& vcpu) {
  constexpr uint32_t kMaxPorts = 128;
  xen::SchedPoll poll;
  if (!ReadArgument(vcpu, &poll)) return -xen::kEfault;
  if (poll.nr_ports > kMaxPorts) return -xen::kEinval;
  uint32_t ports[kMaxPorts];
  if (!CopyFromGuest(vcpu, poll.ports, ports, poll.nr_ports * sizeof(ports[0])))
    return -xen::kEfault;
  for (uint32_t i = 0; i < poll.nr_ports; ++i) {
    if (ports[i] == 0 || ports[i] >= xen::kPorts) return -xen::kEinval;
  }

  Domain& domain = *vcpu.domain;
  domain.events().StartPolling(vcpu);
  for (uint32_t i = 0; i < poll.nr_ports; ++i) {
    if (domain.events().IsPending(ports[i])) {
      domain.events().StopPolling(vcpu);
      return 0;
    }
  }
  if (poll.timeout != 0) {
    const uint64_t ticks = domain.scale().ToTicks(poll.timeout);
    const uint64_t deadline = domain.boot_ticks() + ticks;
    if (deadline >= ticks && deadline <= domain.host().Now()) {
      domain.events().StopPolling(vcpu);
      return 0;
    }
    domain.timers().Set(Timers::PollSlot(vcpu.index), deadline < ticks ? kNoDeadline : deadline);
    domain.host().WakeEventThread();
  }
  BeginBlock(vcpu);
  return {0, Action::kBlock};
}

// Two watchdogs: id 0 arms a free one and answers its number, 1 or 2; that number and a new timeout
// re-arms, timeout 0 disarms.
Outcome Watchdog(Vcpu& vcpu) {
  xen::SchedWatchdog watchdog{};
  if (!ReadArgument(vcpu, &watchdog)) return -xen::kEfault;
  if (watchdog.id > Timers::kWatchdogs) return -xen::kEinval;
  Domain& domain = *vcpu.domain;
  Timers& timers = domain.timers();
  uint32_t id = watchdog.id;
  if (id == 0) {
    // ReadArgument has filled it, word by word.
    // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
    if (watchdog.timeout == 0) return -xen::kEinval;
    for (id = 1; id <= Timers::kWatchdogs && timers.IsSet(Timers::WatchdogSlot(id - 1)); ++id) {
    }
    if (id > Timers::kWatchdogs) return -xen::kEnospc;
  } else if (!timers.IsSet(Timers::WatchdogSlot(id - 1))) {
    return -xen::kEexist;
  }
  constexpr uint64_t kNsPerSecond = 1'000'000'000;
  const uint64_t deadline =
      // ReadArgument has filled it, word by word.
      // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
      watchdog.timeout == 0
          ? kNoDeadline
          : domain.host().Now() + domain.scale().ToTicks(watchdog.timeout * kNsPerSecond);
  timers.Set(Timers::WatchdogSlot(id - 1), deadline);
  domain.host().WakeEventThread();
  return watchdog.id == 0 ? int64_t{id} : 0;
}

}  // namespace

Outcome SchedOperation(Vcpu& vcpu) {
  switch (vcpu.state->x[0]) {
    case xen::kSchedYield:
      return {0, Action::kYield};
    case xen::kSchedBlock:
      return Block(vcpu);
    case xen::kSchedShutdown:
      return Shutdown(vcpu);
    case xen::kSchedPoll:
      return Poll(vcpu);
    case xen::kSchedWatchdog:
      return Watchdog(vcpu);
    default:
      return -xen::kEnosys;
  }
}

}  // namespace pyrene::vmm
