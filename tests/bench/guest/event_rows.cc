// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "tests/bench/guest/events.h"
#include "tests/bench/guest/interrupts.h"
#include "tests/bench/guest/report.h"
#include "tests/bench/guest/rows.h"
#include "tests/guest/counter.h"

namespace pyrene::guest::bench {
namespace {

template <typename T>
void Check(uint64_t operation, T& argument, const char* what) {
  const int64_t result = Operate(xen::kEventChannelOp, operation, argument);
  if (result != 0) Fail(what, static_cast<uint64_t>(-result));
}

// A pair of ports of this domain that are each other's ends: events sent on the first arrive at the
// second.
struct Loop {
  uint32_t send;
  uint32_t receive;
};
Loop MakeLoop() {
  xen::EvtchnAllocUnbound unbound = {xen::kDomidSelf, xen::kDomidSelf, 0};
  Check(xen::kAllocUnbound, unbound, "alloc_unbound");
  xen::EvtchnBindInterdomain bind = {xen::kDomidSelf, 0, unbound.port, 0};
  Check(xen::kBindInterdomain, bind, "bind_interdomain");
  return {bind.local_port, unbound.port};
}

[[gnu::noinline]] void MeasureSend(const char* name, uint32_t port) {
  xen::EvtchnPort argument = {port};
  const uint64_t begin = Counter();
  for (uint64_t i = 0; i < kRounds; ++i) {
    Operate(xen::kEventChannelOp, xen::kSend, argument);
  }
  Report(name, Counter() - begin);
}

// Until the upcall's handler has taken the event.
[[gnu::noinline]] void MeasureRoundTrip(const char* name, uint32_t port) {
  xen::EvtchnPort argument = {port};
  const uint64_t begin = Counter();
  for (uint64_t i = 0; i < kRounds; ++i) {
    const uint32_t count = handled.count;
    Operate(xen::kEventChannelOp, xen::kSend, argument);
    while (handled.count == count) {
    }
  }
  Report(name, Counter() - begin);
}

}  // namespace

void MeasureEvents() {
  // The event waits for the upcall, whose interrupt is masked.
  const Loop loop = MakeLoop();
  ClearMask(loop.receive);
  DisableInterrupts();
  MeasureSend("evtchn_send_pending", loop.send);
  EnableInterrupts();

  xen::EvtchnBindIpi ipi = {0, 0};
  Check(xen::kBindIpi, ipi, "bind_ipi");
  ClearMask(ipi.port);
  MeasureRoundTrip("evtchn_ipi_roundtrip", ipi.port);

  MeasureRoundTrip("evtchn_loop_roundtrip", loop.send);
}

}  // namespace pyrene::guest::bench
