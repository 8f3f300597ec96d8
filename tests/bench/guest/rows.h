// SPDX-License-Identifier: Apache-2.0
//
// The measurements. Each function reports its rows. The loops are as long as those that Xen's
// figures were taken with (tests/bench/xen_reference.json), with NOPs where they do less, so that
// the difference between two figures is the hypervisors'.
#pragma once

namespace pyrene::guest::bench {

// Without interrupts: calib_2_instr, empty_loop, page_*, hypercall_*, sched_yield,
// psci_version_hvc, sysreg_*, gicd_*.
void MeasureCalls();
// sgi_self_roundtrip, vtimer_*.
void MeasureInterrupts();
// evtchn_*.
void MeasureEvents();

}  // namespace pyrene::guest::bench
