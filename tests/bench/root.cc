// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/root.h"

#include <cstdio>

#include "kernel/abi/boot_info.h"
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/syscall.h"

namespace pyrene::bench {
namespace {

const BootInfo& Boot() { return *reinterpret_cast<const BootInfo*>(kStartInfoAddress); }

}  // namespace

void Check(Status status, const char* what) {
  if (status == Status::kOk) return;
  printf("BENCH failed: %s (%ld)\n", what, static_cast<long>(status));
  fflush(stdout);
  sys::ThreadExit(1);
}

CapIndex Ram(uint64_t pages) {
  static uint64_t taken;
  for (uint32_t i = 0; i < Boot().memories; ++i) {
    const BootMemory& memory = Boot().memory[i];
    if (memory.type != static_cast<uint32_t>(MemoryType::kRam) || memory.pages < taken + pages)
      continue;
    const CapIndex cap = runtime::Caps().Allocate();
    Check(sys::MemoryDerive(cap, memory.cap, taken, pages, rights::kAll), "memory");
    taken += pages;
    return cap;
  }
  Check(Status::kNoMemory, "memory");
  return kNullCap;
}

void Report(const char* name, uint64_t ticks) {
  const double ns = static_cast<double>(ticks) * 1e9 / static_cast<double>(sys::TickFrequency());
  printf("BENCH %s %.2f\n", name, ns / kRounds);
}

}  // namespace pyrene::bench
