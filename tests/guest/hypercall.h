// SPDX-License-Identifier: Apache-2.0
//
// Hypercalls by the Xen convention for arm64: HVC #0xEA1, number in x16, arguments in x0 to x2
// here, answer in x0.
#pragma once

#include <cstdint>

#include "services/vmm/xen_interface.h"

namespace pyrene::guest {

namespace xen = vmm::xen;

inline int64_t Hypercall(xen::Hypercall number, uint64_t a0, uint64_t a1 = 0, uint64_t a2 = 0) {
  register uint64_t x0 asm("x0") = a0;
  register uint64_t x1 asm("x1") = a1;
  register uint64_t x2 asm("x2") = a2;
  register uint64_t x16 asm("x16") = number;
  asm volatile("hvc %[immediate]"
               : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x16)
               : [immediate] "i"(xen::kHypercallImmediate)
               : "x3", "x4", "memory");
  return static_cast<int64_t>(x0);
}

// An operation whose argument is a structure.
template <typename T>
inline int64_t Operate(xen::Hypercall number, uint64_t operation, T& argument) {
  return Hypercall(number, operation, reinterpret_cast<uint64_t>(&argument));
}

// What the toolstack left for this domain, as frames and ports. 0: there is no such thing.
inline uint64_t HvmParameter(uint32_t index) {
  constexpr uint64_t kGetParam = 1;
  xen::HvmParam parameter = {xen::kDomidSelf, 0, index, 0};
  return Operate(xen::kHvmOp, kGetParam, parameter) == 0 ? parameter.value : 0;
}

}  // namespace pyrene::guest
