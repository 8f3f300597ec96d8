// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "tests/bench/guest/interrupts.h"
#include "tests/bench/guest/report.h"
#include "tests/bench/guest/rows.h"
#include "tests/guest/counter.h"
#include "tests/guest/gic.h"

namespace pyrene::guest::bench {
namespace {

constexpr uint64_t kMicroseconds = 1'000'000;

void SetTimer(uint64_t deadline) {
  asm volatile(
      "msr cntv_cval_el0, %0\n\t"
      "msr cntv_ctl_el0, %1\n\t"
      "isb" ::"r"(deadline),
      "r"(uint64_t{1})
      : "memory");
}

void SpinUntilHandled(uint32_t count) {
  while (handled.count == count) {
  }
}

// Sleeps with interrupts masked: WFI ends all the same, so none can come between the look and the
// sleep.
void SleepUntilHandled(uint32_t count) {
  while (handled.count == count) {
    DisableInterrupts();
    if (handled.count == count) asm volatile("wfi" ::: "memory");
    EnableInterrupts();
  }
}

[[gnu::noinline]] void MeasureSgi() {
  const uint64_t begin = Counter();
  for (uint64_t i = 0; i < kRounds; ++i) {
    const uint32_t count = handled.count;
    gic::SendSgiToSelf(kSgi);
    SpinUntilHandled(count);
  }
  Report("sgi_self_roundtrip", Counter() - begin);
}

// From the deadline to the handler's beginning, and to the interrupted code.
template <typename Wait>
void MeasureTimer(const char* to_handler, const char* to_resume, uint64_t microseconds, Wait wait) {
  const uint64_t ahead = CounterFrequency() * microseconds / kMicroseconds;
  uint64_t handler = 0;
  uint64_t resume = 0;
  for (uint64_t i = 0; i < kRounds; ++i) {
    const uint32_t count = handled.count;
    const uint64_t deadline = Counter() + ahead;
    SetTimer(deadline);
    wait(count);
    resume += Counter() - deadline;
    handler += handled.at - deadline;
  }
  Report(to_handler, handler);
  Report(to_resume, resume);
}

}  // namespace

void MeasureInterrupts() {
  MeasureSgi();
  MeasureTimer("vtimer_busy_to_handler", "vtimer_busy_to_resume", 20, SpinUntilHandled);
  MeasureTimer("vtimer_wfi_to_handler", "vtimer_wfi_to_resume", 200, SleepUntilHandled);
  MeasureTimer("vtimer_wfi20us_to_handler", "vtimer_wfi20us_to_resume", 20, SleepUntilHandled);
}

}  // namespace pyrene::guest::bench
