// SPDX-License-Identifier: Apache-2.0
//
// A guest without an operating system that measures what a guest's operations cost. Runs on any
// hypervisor with the Xen interface and a GICv2 at the toolstack's usual addresses.
#include "tests/bench/guest/events.h"
#include "tests/bench/guest/interrupts.h"
#include "tests/bench/guest/report.h"
#include "tests/bench/guest/rows.h"

namespace pyrene::guest::bench {

extern "C" void GuestMain() {
  MapSharedInfo();
  StartInterrupts();
  MeasureCalls();
  MeasureInterrupts();
  MeasureEvents();
  Finish();
}

}  // namespace pyrene::guest::bench
