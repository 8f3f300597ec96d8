// SPDX-License-Identifier: Apache-2.0
#include "tests/hostile/guest/arena.h"

#include "tests/guest/gic.h"
#include "tests/guest/psci.h"
#include "tests/hostile/guest/address.h"
#include "tests/hostile/guest/vcpus.h"

namespace pyrene::guest::hostile {
namespace {

using gic::At;
using gic::Distributor;
using gic::Interface;

constexpr uint32_t kLowestPriority = 0xf8;
constexpr uint32_t kNop = 0xd503201f;
constexpr uint32_t kBranch = 0x14000000;
constexpr uint64_t kWatchTicks = 62'500;  // 1 ms at 62.5 MHz

struct alignas(64) Arena {
  uint32_t code[kMostInstructions + 1];
};
Arena arenas[kVcpus];  // one for each vCPU

extern "C" uint64_t EnterArena(const uint64_t* registers, const void* code);
extern "C" void LeaveArena();

}  // namespace

void StartWatch() {
  // Operations may have left interrupts active, or priorities, that would keep the timer's away.
  *At(Interface::kApr) = 0;
  *At(Distributor::kIcactiver) = ~0u;
  *At(Distributor::kIcpendr) = ~0u;
  At(Distributor::kIpriorityr)[vmm::xen::kTimerPpi / 4] = 0;
  *At(Distributor::kIsenabler) = 1u << vmm::xen::kTimerPpi;
  *At(Distributor::kCtlr) = 1;
  *At(Interface::kPmr) = kLowestPriority;
  *At(Interface::kCtlr) = 1;
  uint64_t now;
  asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(now)::"memory");
  asm volatile(
      "msr cntv_cval_el0, %0\n\t"
      "msr cntv_ctl_el0, %1\n\t"
      "isb" ::"r"(now + kWatchTicks),
      "r"(uint64_t{1})
      : "memory");
}

void StopWatch() {
  asm volatile("msr cntv_ctl_el0, xzr\n\tisb" ::: "memory");
  // At most one interrupt is active for each priority; a few more, if they kept coming.
  for (unsigned i = 0; i < 4; ++i) {
    const uint32_t iar = *At(Interface::kIar);
    if ((iar & gic::kIntidMask) >= 1020) break;
    *At(Interface::kEoir) = iar;
  }
}

void Execute(Random& random, const uint32_t* instructions, unsigned count, bool watched) {
  uint64_t registers[31];
  for (uint64_t& value : registers) value = Number(random);
  auto& arena = arenas[psci::ThisVcpu() % kVcpus].code;
  for (unsigned i = 0; i < kMostInstructions; ++i) arena[i] = i < count ? instructions[i] : kNop;
  const int64_t offset =
      reinterpret_cast<int64_t>(&LeaveArena) - reinterpret_cast<int64_t>(&arena[kMostInstructions]);
  arena[kMostInstructions] = kBranch | (static_cast<uint32_t>(offset / 4) & 0x03ffffff);
  const auto line = reinterpret_cast<uint64_t>(arena);
  asm volatile(
      "dc cvau, %0\n\tdsb ish\n\t"
      "ic ivau, %0\n\tdsb ish\n\tisb" ::"r"(line)
      : "memory");
  if (watched) StartWatch();
  EnterArena(registers, arena);
  if (watched) StopWatch();
}

}  // namespace pyrene::guest::hostile
