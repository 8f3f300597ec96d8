// SPDX-License-Identifier: Apache-2.0
//
// PSCI by HVC, and which vCPU runs this.
#pragma once

#include <cstdint>

namespace pyrene::guest::psci {

enum class Function : uint64_t {
  kCpuOn = 0xc4000003,
  kAffinityInfo = 0xc4000004,
};

inline constexpr int64_t kOff = 1;  // of AFFINITY_INFO

inline int64_t Call(Function function, uint64_t a1, uint64_t a2 = 0, uint64_t a3 = 0) {
  register uint64_t x0 asm("x0") = static_cast<uint64_t>(function);
  register uint64_t x1 asm("x1") = a1;
  register uint64_t x2 asm("x2") = a2;
  register uint64_t x3 asm("x3") = a3;
  asm volatile("hvc #0"
               : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"x4", "x5", "x6", "x7", "x8", "x9", "x10",
                 "x11", "x12", "x13", "x14", "x15", "x16", "x17", "memory");
  return static_cast<int64_t>(x0);
}

// MPIDR_EL1.Aff0: guests have up to 8 vCPUs.
inline uint32_t ThisVcpu() {
  uint64_t mpidr;
  asm("mrs %0, mpidr_el1" : "=r"(mpidr));
  return static_cast<uint32_t>(mpidr & 0xff);
}

}  // namespace pyrene::guest::psci
