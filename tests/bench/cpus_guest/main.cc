// SPDX-License-Identifier: Apache-2.0
//
// A guest without an operating system whose two vCPUs run on two CPUs. It measures nothing: it does
// the same thing many times, with marks at the places between which the plugin trace.c counts.
//
// QEMU runs one CPU at a time, until its turn ends at the next virtual deadline or earlier, or
// until it sleeps. So whoever waits for the other CPU has a timer set.
#include <cstdint>

#include "tests/bench/guest/events.h"
#include "tests/bench/guest/interrupts.h"
#include "tests/bench/guest/report.h"
#include "tests/bench/guest/store.h"
#include "tests/bench/marks.h"
#include "tests/guest/counter.h"
#include "tests/guest/gic.h"
#include "tests/guest/hypercall.h"
#include "tests/guest/psci.h"

extern "C" const char second_start[];

namespace pyrene::guest::bench {
namespace {

using pyrene::bench::Mark;
using pyrene::bench::Put;

constexpr uint64_t kRoundsBetweenCpus = 1000;
constexpr uint64_t kMicroseconds = 1'000'000;
constexpr uint64_t kTurn = 20;       // us, long enough for any interrupt to be handled
constexpr uint64_t kPatience = 400;  // us for a reply of XenStore's
constexpr uint32_t kSecond = 1;      // the vCPU
constexpr uint64_t kStackBytes = 4096;

// By vCPU. Of the first: events and timer interrupts; of the second: SGIs.
struct alignas(64) Count {
  volatile uint32_t events, timers, sgis;
};
Count counts[2];
volatile bool second_is_up;
volatile bool second_sleeps;

alignas(16) unsigned char second_stack[kStackBytes];

constexpr uint64_t kEnable = 1;
constexpr uint64_t kMasked = 2;

void SetTimer(uint64_t microseconds, uint64_t masked = 0) {
  asm volatile(
      "msr cntv_cval_el0, %0\n\t"
      "msr cntv_ctl_el0, %1\n\t"
      "isb" ::"r"(Counter() + CounterFrequency() * microseconds / kMicroseconds),
      "r"(kEnable | masked)
      : "memory");
}
void StopTimer() { asm volatile("msr cntv_ctl_el0, xzr\n\tisb" ::: "memory"); }

// WFI ends for a masked interrupt, too: none comes between the look and the sleep.
void SleepWhile(const volatile uint32_t& count, uint32_t value) {
  while (count == value) {
    DisableInterrupts();
    if (count == value) asm volatile("wfi" ::: "memory");
    EnableInterrupts();
  }
}

// The other CPU's turn.
void Pause() {
  const uint32_t before = counts[0].timers;
  SetTimer(kTurn);
  SleepWhile(counts[0].timers, before);
}

void StartSecond() {
  const int64_t result =
      psci::Call(psci::Function::kCpuOn, kSecond, reinterpret_cast<uint64_t>(second_start),
                 reinterpret_cast<uint64_t>(second_stack + kStackBytes));
  if (result != 0) Fail("CPU_ON", static_cast<uint64_t>(-result));
  while (!second_is_up) Pause();
}

template <Mark kMark>
void MeasureSgi(bool sleeping) {
  second_sleeps = sleeping;
  for (uint64_t i = 0; i < kRoundsBetweenCpus; ++i) {
    Pause();
    const uint32_t before = counts[kSecond].sgis;
    Put<kMark>();
    gic::SendSgi(kSgi, 1u << kSecond);
    while (counts[kSecond].sgis == before) Pause();
  }
}

// An event to xenstore, and its event when it has replied. The second vCPU sleeps.
template <Mark kMark>
void MeasureStore(StoreRing& ring, bool sleeping) {
  constexpr char kDomain[] = "1";  // whose path needs no look at the tree
  StoreRing::Reply reply;
  for (uint64_t i = 0; i < kRoundsBetweenCpus; ++i) {
    Pause();
    const uint32_t timers = counts[0].timers;
    ring.Put(StoreRequest::kGetDomainPath, 0, kDomain, sizeof(kDomain));
    SetTimer(kPatience);
    uint32_t events = counts[0].events;
    Put<kMark>();
    ring.Send();
    do {
      if (sleeping) {
        SleepWhile(counts[0].events, events);
      } else {
        while (counts[0].events == events) {
        }
      }
      events = counts[0].events;
    } while (!ring.Take(reply));
    StopTimer();
    if (counts[0].timers != timers) Fail("no reply of XenStore's");
  }
}

}  // namespace

extern "C" void HandleInterrupt() {
  Put<Mark::kHandler>();
  Count& count = counts[psci::ThisVcpu()];
  const uint32_t iar = *gic::At(gic::Interface::kIar);
  switch (iar & gic::kIntidMask) {
    case xen::kTimerPpi:
      StopTimer();
      count.timers = count.timers + 1;
      break;
    case kSgi:
      count.sgis = count.sgis + 1;
      break;
    case xen::kUpcallPpi:
      count.events = count.events + TakeEvents();
      break;
    default:
      return;  // spurious: nothing to end
  }
  *gic::At(gic::Interface::kEoir) = iar;
}

extern "C" void SecondMain() {
  StartInterrupts();
  second_is_up = true;
  while (true) {
    if (second_sleeps) {
      asm volatile("wfi" ::: "memory");
    } else {
      SetTimer(kTurn, kMasked);  // no interrupt, but the end of this CPU's turn
    }
  }
}

extern "C" void GuestMain() {
  MapSharedInfo();
  StartInterrupts();
  StartSecond();
  MeasureSgi<Mark::kSgiToRunning>(false);
  MeasureSgi<Mark::kSgiToSleeping>(true);
  StoreRing ring;
  ClearMask(ring.port());
  MeasureStore<Mark::kStoreRunning>(ring, false);
  MeasureStore<Mark::kStoreSleeping>(ring, true);
  Finish();
}

}  // namespace pyrene::guest::bench
