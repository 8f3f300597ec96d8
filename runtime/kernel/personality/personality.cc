// SPDX-License-Identifier: Apache-2.0
//
// The service's side of the personality's own calls: ordinary code, not run in the upcall.
#include "runtime/kernel/personality/personality.h"

#include "runtime/kernel/personality/linux_abi.h"

namespace pyrene::personality {
namespace {

int64_t Call(uint64_t number, uint64_t a, uint64_t b, uint64_t c = 0) {
  register uint64_t x8 asm("x8") = number;
  register uint64_t x0 asm("x0") = a;
  register uint64_t x1 asm("x1") = b;
  register uint64_t x2 asm("x2") = c;
  asm volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x8) : "memory");
  return static_cast<int64_t>(x0);
}

}  // namespace

void StirRandom(const void* bytes, size_t n) {
  Call(kCallStir, reinterpret_cast<uintptr_t>(bytes), n);
}

void SetRealtimeOffset(int64_t ns) { Call(kCallSetRealtimeOffset, static_cast<uint64_t>(ns), 0); }

void SetLog(void* ring, uint64_t bytes, CapIndex signal) {
  Call(kCallSetLog, reinterpret_cast<uintptr_t>(ring), bytes, signal);
}

CapIndex CurrentThread() { return static_cast<CapIndex>(Call(linux_abi::kGettid, 0, 0)); }

}  // namespace pyrene::personality
