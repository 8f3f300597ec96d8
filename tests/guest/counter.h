// SPDX-License-Identifier: Apache-2.0
//
// The virtual counter: what everything is measured with. Under QEMU's -icount shift=0 it advances
// by a nanosecond per executed instruction, of whatever exception level, so a time is a number of
// instructions; at 62.5 MHz a tick is 16 of them.
#pragma once

#include <cstdint>

namespace pyrene::guest {

inline uint64_t Counter() {
  uint64_t ticks;
  asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks)::"memory");
  return ticks;
}

inline uint64_t CounterFrequency() {
  uint64_t hz;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(hz));
  return hz;
}

}  // namespace pyrene::guest
