// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "tests/bench/guest/interrupts.h"
#include "tests/bench/guest/report.h"
#include "tests/bench/guest/rows.h"
#include "tests/guest/counter.h"
#include "tests/guest/gic.h"
#include "tests/guest/hypercall.h"

namespace pyrene::guest::bench {
namespace {

constexpr uint64_t kCalibrationTurns = 1'000'000;
constexpr uint64_t kTouchBase = 0x42000000;  // behind the image, below the device tree
constexpr uint64_t kNoSuchHypercall = 55;
constexpr uint32_t kPsciVersion = 0x84000000;

// Ticks that `turns` turns of a loop take: BODY, which leaves x9 alone, and the two instructions
// that count. `...`: inputs and clobbers of the asm statement.
#define PYRENE_BENCH_LOOP(turns, body, ...)                                 \
  ({                                                                        \
    const uint64_t begin = Counter();                                       \
    asm volatile("mov x9, %[n]\n1:\n\t" body                                \
                 "subs x9, x9, #1\n\tb.ne 1b" ::[n] "r"(turns)__VA_ARGS__); \
    Counter() - begin;                                                      \
  })
#define PYRENE_BENCH_CLOBBERS "x0", "x1", "x2", "x3", "x4", "x9", "x10", "x16", "cc", "memory"

void MeasureLoop(const char* name, uint64_t turns) {
  Report(name, PYRENE_BENCH_LOOP(turns, "", : "x9", "cc"), turns);
}

// Five instructions a page.
void MeasureTouch(const char* name) {
  uint64_t page = kTouchBase;
  const uint64_t begin = Counter();
  asm volatile(
      "mov x9, %[n]\n"
      "1:\tstr xzr, [%[page]]\n\t"
      "add %[page], %[page], #1, lsl #12\n\t"
      "nop\n\t"
      "subs x9, x9, #1\n\t"
      "b.ne 1b"
      : [page] "+r"(page)
      : [n] "r"(kRounds)
      : "x9", "cc", "memory");
  Report(name, Counter() - begin);
}

[[gnu::noinline]] void MeasureHypercall(const char* name, uint64_t number, uint64_t a0,
                                        uint64_t a1) {
  Report(name, PYRENE_BENCH_LOOP(kRounds,
                                 "mov x16, %[number]\n\t"
                                 "mov x0, %[a0]\n\t"
                                 "mov x1, %[a1]\n\t"
                                 "hvc #0xea1\n\t"
                                 "nop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\t",
                                 , [number] "r"(number), [a0] "r"(a0), [a1] "r"(a1)
                                 : PYRENE_BENCH_CLOBBERS));
}

[[gnu::noinline]] void MeasurePsciVersion() {
  Report("psci_version_hvc", PYRENE_BENCH_LOOP(kRounds,
                                               "mov w0, %w[function]\n\t"
                                               "mov x1, xzr\n\t"
                                               "mov x2, xzr\n\t"
                                               "mov x3, xzr\n\t"
                                               "hvc #0\n\t"
                                               "nop\n\t"
                                               "nop\n\t",
                                               , [function] "r"(kPsciVersion)
                                               : PYRENE_BENCH_CLOBBERS));
}

[[gnu::noinline]] void MeasureMidr() {
  Report("sysreg_midr", PYRENE_BENCH_LOOP(kRounds, "mrs x10, midr_el1\n\t",
                                          : PYRENE_BENCH_CLOBBERS));
}

[[gnu::noinline]] void MeasureIdRegister() {
  Report("sysreg_id_aa64pfr0", PYRENE_BENCH_LOOP(kRounds, "mrs x10, id_aa64pfr0_el1\n\t",
                                                 : PYRENE_BENCH_CLOBBERS));
}

[[gnu::noinline]] void MeasureDistributorRead() {
  Report("gicd_typer_read", PYRENE_BENCH_LOOP(kRounds, "ldr w10, [%[typer]]\n\tnop\n\tnop\n\t",
                                              , [typer] "r"(gic::At(gic::Distributor::kTyper))
                                              : PYRENE_BENCH_CLOBBERS));
}

// What is enabled already.
[[gnu::noinline]] void MeasureDistributorWrite() {
  Report(
      "gicd_isenabler_write",
      PYRENE_BENCH_LOOP(
          kRounds, "str %w[bit], [%[isenabler]]\n\tnop\n\tnop\n\tnop\n\tnop\n\t",
          , [isenabler] "r"(gic::At(gic::Distributor::kIsenabler)), [bit] "r"(1u << xen::kTimerPpi)
          : PYRENE_BENCH_CLOBBERS));
}

}  // namespace

void MeasureCalls() {
  MeasureLoop("calib_2_instr", kCalibrationTurns);
  MeasureTouch("page_first_touch");
  MeasureTouch("page_second_touch");
  MeasureLoop("empty_loop", kRounds);
  MeasureHypercall("hypercall_xen_version", xen::kXenVersion, 0, 0);
  MeasureHypercall("hypercall_nosys", kNoSuchHypercall, 0, 0);
  MeasureHypercall("sched_yield", xen::kSchedOp, xen::kSchedYield, 0);
  MeasurePsciVersion();
  MeasureMidr();
  MeasureIdRegister();
  MeasureDistributorRead();
  MeasureDistributorWrite();
}

}  // namespace pyrene::guest::bench
