// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/guest/report.h"

#include "tests/bench/guest/console.h"
#include "tests/guest/counter.h"
#include "tests/guest/hypercall.h"
#include "tests/guest/text.h"

namespace pyrene::guest::bench {
namespace {

constexpr uint32_t kPoweroff = 0;
constexpr uint32_t kCrash = 3;

// What has been said so far: room for 40 lines of the longest name. Zeroed with .bss: there are no
// constructors to run.
constinit Text<2000> text;

[[noreturn]] void Shutdown(uint32_t reason) {
  Operate(xen::kSchedOp, xen::kSchedShutdown, reason);
  while (true) asm volatile("wfi");
}

}  // namespace

void Report(const char* name, uint64_t ticks, uint64_t operations) {
  // Hundredths of a nanosecond. The whole seconds apart, so that nothing overflows.
  constexpr uint64_t kPerSecond = 100'000'000'000;
  const uint64_t frequency = CounterFrequency();
  const uint64_t time = ticks / frequency * kPerSecond + ticks % frequency * kPerSecond / frequency;
  const uint64_t each = (time + operations / 2) / operations;
  text << "BENCH " << name << " " << each / 100 << "." << each / 10 % 10 << each % 10 << "\n";
}

void Finish() {
  text << "BENCH end\n";
  WriteConsole(text.data(), text.size());
  Shutdown(kPoweroff);
}

void Fail(const char* reason, uint64_t value) {
  text << "BENCH failed: " << reason << " (" << value << ")\n";
  WriteConsole(text.data(), text.size());
  Shutdown(kCrash);
}

}  // namespace pyrene::guest::bench
