// SPDX-License-Identifier: Apache-2.0
//
// The two port calls, whose registers differ from the other system calls (kernel/abi/syscall.h):
// eight words in x0..x7 both ways, the port in x9, capabilities in x10 and x11.
#pragma once

#include <cstdint>

#include "kernel/abi/capability.h"
#include "kernel/abi/status.h"
#include "kernel/abi/syscall.h"

namespace pyrene::sys {

struct PortMessage {
  uint64_t word[8];
};

// Up to four capability indices in one register, the first in bits 15:0; kNullCap ends the list.
inline constexpr unsigned kMaxPortCaps = 4;
constexpr uint64_t PackCaps(CapIndex a, CapIndex b = kNullCap, CapIndex c = kNullCap,
                            CapIndex d = kNullCap) {
  return (a & 0xffff) | uint64_t{b & 0xffff} << 16 | uint64_t{c & 0xffff} << 32 |
         uint64_t{d & 0xffff} << 48;
}

struct PortAnswer {
  Status status;
  uint64_t badge;  // of who called; kPortReplyWait only
  uint64_t caps;   // how many capabilities were received
};

namespace internal {

inline PortAnswer InvokePort(Syscall number, CapIndex port, PortMessage& message, uint64_t send,
                             uint64_t receive) {
  register uint64_t x0 asm("x0") = message.word[0];
  register uint64_t x1 asm("x1") = message.word[1];
  register uint64_t x2 asm("x2") = message.word[2];
  register uint64_t x3 asm("x3") = message.word[3];
  register uint64_t x4 asm("x4") = message.word[4];
  register uint64_t x5 asm("x5") = message.word[5];
  register uint64_t x6 asm("x6") = message.word[6];
  register uint64_t x7 asm("x7") = message.word[7];
  register uint64_t x8 asm("x8") = static_cast<uint64_t>(number);
  register uint64_t x9 asm("x9") = port;
  register uint64_t x10 asm("x10") = send;
  register uint64_t x11 asm("x11") = receive;
  asm volatile("svc %[imm]"
               : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6), "+r"(x7),
                 "+r"(x8), "+r"(x9), "+r"(x10), "+r"(x11)
               : [imm] "i"(kSvcNative)
               : "x12", "x13", "x14", "x15", "x16", "x17", "cc", "memory");
  message = {{x0, x1, x2, x3, x4, x5, x6, x7}};
  return {static_cast<Status>(x8), x9, x10};
}

}  // namespace internal

// Sends `message` and waits for the answer, which replaces it. Capabilities of the answer are put
// at the empty indices that `receive` names.
inline PortAnswer PortCall(CapIndex port, PortMessage& message, uint64_t send = 0,
                           uint64_t receive = 0) {
  return internal::InvokePort(Syscall::kPortCall, port, message, send, receive);
}

// Answers the caller that the last PortReplyWait delivered to this thread, if there is one, and
// waits for the next.
inline PortAnswer PortReplyWait(CapIndex port, PortMessage& message, uint64_t send = 0,
                                uint64_t receive = 0) {
  return internal::InvokePort(Syscall::kPortReplyWait, port, message, send, receive);
}

}  // namespace pyrene::sys
