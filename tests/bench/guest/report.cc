// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/guest/report.h"

#include "tests/bench/guest/console.h"
#include "tests/bench/guest/counter.h"
#include "tests/bench/guest/hypercall.h"

namespace pyrene::bench {
namespace {

constexpr uint32_t kPoweroff = 0;
constexpr uint32_t kCrash = 3;

// What has been said so far.
class Text {
 public:
  Text& operator<<(const char* text) {
    while (*text != '\0') Put(*text++);
    return *this;
  }
  Text& operator<<(uint64_t value) {
    char digits[20];
    unsigned count = 0;
    do {
      digits[count++] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    while (count != 0) Put(digits[--count]);
    return *this;
  }
  void Write() const { WriteConsole(text_, length_); }

 private:
  // Room for 40 lines of the longest name.
  void Put(char c) {
    if (length_ < sizeof(text_)) text_[length_++] = c;
  }

  char text_[2000];
  uint64_t length_;
};

// Zeroed with .bss: there are no constructors to run.
constinit Text text = {};

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
  text.Write();
  Shutdown(kPoweroff);
}

void Fail(const char* reason, uint64_t value) {
  text << "BENCH failed: " << reason << " (" << value << ")\n";
  text.Write();
  Shutdown(kCrash);
}

}  // namespace pyrene::bench
