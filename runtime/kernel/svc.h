// SPDX-License-Identifier: Apache-2.0
//
// The system call instruction with its register conventions (kernel/abi/syscall.h).
// runtime/kernel/syscall.h has a typed function for each call; nothing else uses this.
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/abi/syscall.h"

namespace pyrene::sys::internal {

// Every answer that has values. They mean something only when `status` is kOk.
struct Answer {
  Status status;
  uint64_t value[7];  // x1..x7
};

#ifdef __aarch64__

// Registers beyond the arguments given are outputs only, so that nothing is spent on loading them.
// GCC keeps `svc`'s effects in order by `volatile` and "memory"; x8 and x9..x17 are lost.
template <typename... Arguments>
inline Answer Invoke(Syscall number, Arguments... arguments) {
  static_assert(sizeof...(arguments) <= 6);
  const uint64_t in[sizeof...(arguments) + 1] = {static_cast<uint64_t>(arguments)..., 0};
  constexpr size_t kCount = sizeof...(arguments);
  register uint64_t x8 asm("x8") = static_cast<uint64_t>(number);
  register uint64_t x0 asm("x0");
  register uint64_t x1 asm("x1");
  register uint64_t x2 asm("x2");
  register uint64_t x3 asm("x3");
  register uint64_t x4 asm("x4");
  register uint64_t x5 asm("x5");
  register uint64_t x6 asm("x6");
  register uint64_t x7 asm("x7");
  if constexpr (kCount <= 1) {
    x0 = in[0];
    asm volatile("svc %[imm]"
                 : "+r"(x0), "=r"(x1), "=r"(x2), "=r"(x3), "=r"(x4), "=r"(x5), "=r"(x6), "=r"(x7),
                   "+r"(x8)
                 : [imm] "i"(kSvcNative)
                 : "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "cc", "memory");
  } else if constexpr (kCount <= 3) {
    x0 = in[0];
    x1 = in[1];
    x2 = in[2];
    asm volatile("svc %[imm]"
                 : "+r"(x0), "+r"(x1), "+r"(x2), "=r"(x3), "=r"(x4), "=r"(x5), "=r"(x6), "=r"(x7),
                   "+r"(x8)
                 : [imm] "i"(kSvcNative)
                 : "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "cc", "memory");
  } else {
    x0 = in[0];
    x1 = in[1];
    x2 = in[2];
    x3 = in[3];
    x4 = in[4];
    if constexpr (kCount == 6) {
      x5 = in[5];
    } else {
      x5 = 0;
    }
    asm volatile("svc %[imm]"
                 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "=r"(x6), "=r"(x7),
                   "+r"(x8)
                 : [imm] "i"(kSvcNative)
                 : "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "cc", "memory");
  }
  return {static_cast<Status>(x0), {x1, x2, x3, x4, x5, x6, x7}};
}

#else

// On the host there is no kernel: a test of code that makes system calls plays it.
Answer PlayedCall(Syscall number, const uint64_t (&arguments)[6]);

template <typename... Arguments>
inline Answer Invoke(Syscall number, Arguments... arguments) {
  static_assert(sizeof...(arguments) <= 6);
  const uint64_t in[6] = {static_cast<uint64_t>(arguments)...};
  return PlayedCall(number, in);
}

#endif

}  // namespace pyrene::sys::internal
