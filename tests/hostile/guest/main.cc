// SPDX-License-Identifier: Apache-2.0
//
// A guest that means harm. Each boot executes random operations from the next seed until it
// crashes, hangs (its Xen watchdog then ends it) or has done its share; its VMM restarts it each
// time (on_* in hostile.cfg). It says at each boot what it has done, and when that is enough it
// stays idle.
//
// Options, in the kernel's command line: operations=N in all, seed=S of the first boot. A boot
// whose line says `seed S` is repeated by booting with seed=S.
#include <cstdint>

#include "tests/bench/guest/console.h"
#include "tests/bench/guest/hypercall.h"
#include "tests/hostile/guest/guarded.h"
#include "tests/hostile/guest/ledger.h"
#include "tests/hostile/guest/operations.h"
#include "tests/hostile/guest/random.h"

namespace pyrene::hostile {
namespace {

using bench::Operate;
namespace xen = vmm::xen;

constexpr uint64_t kOperationsPerBoot = 2000;
constexpr uint32_t kWatchdogSeconds = 1;
constexpr uint64_t kRewindAfter = 16;  // operations
constexpr uint64_t kBootLimit = 1'000'000;

constexpr uint32_t kReasonReboot = 1;
constexpr uint32_t kReasonCrash = 3;

alignas(4096) uint32_t code_page[1024];

class Line {
 public:
  Line& operator<<(const char* text) {
    while (*text != '\0') Put(*text++);
    return *this;
  }
  Line& operator<<(uint64_t value) {
    char digits[20];
    unsigned count = 0;
    do {
      digits[count++] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    while (count != 0) Put(digits[--count]);
    return *this;
  }
  void Write() const { bench::WriteConsole(text_, length_); }

 private:
  void Put(char c) {
    if (length_ < sizeof(text_)) text_[length_++] = c;
  }

  char text_[300];
  uint64_t length_ = 0;
};

[[noreturn]] void Shutdown(uint32_t reason) {
  Operate(xen::kSchedOp, xen::kSchedShutdown, reason);
  while (true) asm volatile("wfi");
}

// The value of NAME=N in the device tree's bytes: bootargs is the only text there that we choose.
uint64_t Option(const char* tree, const char* name, uint64_t standard) {
  constexpr unsigned kTotalSize = 4;  // offset of the size in bytes, big-endian
  const auto* size = reinterpret_cast<const uint8_t*>(tree) + kTotalSize;
  const uint32_t bytes = uint32_t{size[0]} << 24 | size[1] << 16 | size[2] << 8 | size[3];
  for (uint32_t i = 0; i < bytes; ++i) {
    uint32_t length = 0;
    while (name[length] != '\0' && i + length < bytes && tree[i + length] == name[length]) ++length;
    if (name[length] != '\0') continue;
    uint64_t value = 0;
    for (uint32_t j = i + length; j < bytes && tree[j] >= '0' && tree[j] <= '9'; ++j)
      value = value * 10 + static_cast<uint64_t>(tree[j] - '0');
    return value;
  }
  return standard;
}

// What does not come back is ended by it. The first call arms it, the others wind it up.
void WindWatchdog() {
  static uint32_t id;
  xen::SchedWatchdog watchdog = {id, kWatchdogSeconds};
  const int64_t answer = Operate(xen::kSchedOp, xen::kSchedWatchdog, watchdog);
  if (id == 0 && answer > 0) id = static_cast<uint32_t>(answer);
}

uint64_t Execute(const Trial& trial) {
  constexpr uint32_t kTrap = 0xd4200000;  // brk #0
  for (unsigned i = 0; i < trial.instructions; ++i) code_page[i] = trial.code[i];
  code_page[trial.instructions] = kTrap;
  asm volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(code_page)
               : "memory");
  return RunGuarded(trial.x, code_page);
}

Kind KindOf(Random& random) {
  static constexpr Kind kKindsOften[] = {kHypercall, kHypercall, kHypercall, kHypercall,
                                         kFirmware,  kMmio,      kMmio,      kMmio,
                                         kRegister,  kRegister,  kGarbage,   kWait};
  return random.Pick(kKindsOften);
}

void RunBoot(uint64_t seed, uint64_t enough, Totals& totals) {
  constexpr uint64_t kTrapClass = 0x3c;  // of BRK
  Random random(seed);
  Trial trial;
  for (uint64_t i = 0; i < kOperationsPerBoot && totals.operations < enough; ++i) {
    if (i % kRewindAfter == 0) WindWatchdog();
    const Kind kind = KindOf(random);
    for (uint64_t& x : trial.x) x = random.OneIn(2) ? Pointer(random) : random.Number();
    trial.instructions = 0;
    Prepare(kind, random, trial);
    const uint64_t esr = Execute(trial);
    ++totals.operations;
    ++totals.by_kind[kind];
    if (esr >> 26 == kTrapClass) ++totals.answered;
    Ledger::Store(totals);
  }
  ++totals.finished;
  Ledger::Store(totals);
}

void Report(const char* what, uint64_t seed, const Totals& totals) {
  Line line;
  line << "HOSTILE " << what << " seed " << seed << ": " << totals.operations << " operations in "
       << totals.boots << " boots (" << totals.finished << " to their end), "
       << totals.by_kind[kHypercall] << " hypercalls, " << totals.by_kind[kFirmware]
       << " firmware, " << totals.by_kind[kMmio] << " mmio, " << totals.by_kind[kRegister]
       << " registers, " << totals.by_kind[kGarbage] << " garbage, " << totals.by_kind[kWait]
       << " waits, " << totals.answered << " without an exception\n";
  line.Write();
}

}  // namespace

extern "C" void GuestMain(const char* tree) {
  const uint64_t enough = Option(tree, "operations=", 100'000);
  const uint64_t first = Option(tree, "seed=", 1);
  Totals totals = Ledger::Load();
  const uint64_t seed = first + totals.boots;
  if (totals.operations >= enough || totals.boots >= kBootLimit) {
    Report(totals.operations >= enough ? "done," : "gives up,", seed, totals);
    while (true) asm volatile("wfi");
  }
  WindWatchdog();
  ++totals.boots;
  Ledger::Store(totals);
  Report("boots,", seed, totals);
  asm volatile("msr vbar_el1, %0\n\tmsr cpacr_el1, %1\n\tisb" ::"r"(guarded_vectors),
               "r"(uint64_t{3} << 20));
  MapEverything();
  RunBoot(seed, enough, totals);
  Shutdown(kReasonReboot);
}

// Before the vectors are changed nothing of this is expected.
extern "C" void HandleInterrupt() { Shutdown(kReasonCrash); }
extern "C" void UnexpectedException(uint64_t) { Shutdown(kReasonCrash); }

}  // namespace pyrene::hostile
