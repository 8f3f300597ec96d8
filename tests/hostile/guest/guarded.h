// SPDX-License-Identifier: Apache-2.0
//
// Instructions that may do anything, executed so that the guest mostly survives them: whatever
// exception they end in, with whatever registers, execution goes on behind the call.
#pragma once

#include <cstdint>

namespace pyrene::hostile {

inline constexpr unsigned kMaxInstructions = 8;

// What is executed, with these registers.
struct Trial {
  uint64_t x[31];
  uint32_t code[kMaxInstructions];
  uint32_t instructions;

  void Add(uint32_t instruction) { code[instructions++] = instruction; }
};

extern "C" {
// The exception vectors that RunGuarded needs.
extern const char guarded_vectors[];
// Jumps to `code`, which ends with an instruction that traps. Returns ESR_EL1 of the exception that
// ended it. Interrupts end it too, and are masked afterwards.
uint64_t RunGuarded(const uint64_t* x, const void* code);
}

}  // namespace pyrene::hostile
