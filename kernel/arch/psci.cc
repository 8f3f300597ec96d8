// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/psci.h"

namespace pyrene::arch::psci {
namespace {

enum class Function : uint32_t {
  kCpuOn64 = 0xc4000003,
  kSystemOff = 0x84000008,
  kSystemReset = 0x84000009,
};

bool available;

Status Call(Function function, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0) {
  if (!available) return Status::kNotSupported;
  register uint64_t x0 asm("x0") = static_cast<uint32_t>(function);
  register uint64_t x1 asm("x1") = a;
  register uint64_t x2 asm("x2") = b;
  register uint64_t x3 asm("x3") = c;
  // SMCCC 1.0 callees may change x4..x17.
  asm volatile("smc #0"
               : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
               :
               : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
                 "x16", "x17", "memory");
  return x0 == 0 ? Status::kOk : Status::kNotSupported;
}

}  // namespace

void SetAvailable() { available = true; }
bool Available() { return available; }

Status CpuOn(uint64_t mpidr, uint64_t entry, uint64_t context) {
  return Call(Function::kCpuOn64, mpidr, entry, context);
}
Status SystemOff() { return Call(Function::kSystemOff); }
Status SystemReset() { return Call(Function::kSystemReset); }

}  // namespace pyrene::arch::psci
