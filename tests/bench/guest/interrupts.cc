// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/guest/interrupts.h"

#include "tests/bench/guest/events.h"
#include "tests/guest/counter.h"
#include "tests/guest/gic.h"

namespace pyrene::guest::bench {

volatile Handled handled;

extern "C" void HandleInterrupt() {
  const uint64_t now = Counter();
  const uint32_t iar = *gic::At(gic::Interface::kIar);
  switch (iar & gic::kIntidMask) {
    case xen::kTimerPpi:
      asm volatile("msr cntv_ctl_el0, xzr\n\tisb" ::: "memory");
      break;
    case kSgi:
      break;
    case xen::kUpcallPpi:
      if (TakeEvents() == 0) {
        // A spurious one, which the interface allows.
        *gic::At(gic::Interface::kEoir) = iar;
        return;
      }
      break;
    default:
      return;  // spurious: nothing to end
  }
  handled.at = now;
  handled.count = handled.count + 1;
  *gic::At(gic::Interface::kEoir) = iar;
}

}  // namespace pyrene::guest::bench
