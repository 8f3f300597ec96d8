// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/timer.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/sysreg.h"

namespace pyrene::arch {

uint64_t CounterFrequency() { return PYRENE_READ_SYSREG(cntfrq_el0); }

uint64_t TicksOf(uint64_t microseconds) { return CounterFrequency() * microseconds / 1000000; }

void SetHypervisorTimer(uint64_t deadline) {
  if (deadline == ~uint64_t{0}) {
    PYRENE_WRITE_SYSREG(cnthp_ctl_el2, 0);
  } else {
    PYRENE_WRITE_SYSREG(cnthp_cval_el2, deadline);
    PYRENE_WRITE_SYSREG(cnthp_ctl_el2, 1);
  }
  Isb();
}

}  // namespace pyrene::arch
