// SPDX-License-Identifier: Apache-2.0
//
// The guest's interrupts: the virtual timer's, one SGI, and the event-channel upcall.
#pragma once

#include <cstdint>

namespace pyrene::guest::bench {

inline constexpr uint32_t kSgi = 1;

// What the handler leaves.
struct Handled {
  uint64_t at;     // counter at the handler's beginning
  uint32_t count;  // interrupts handled, for the upcall: events
};
extern volatile Handled handled;

// GIC on, the three interrupts enabled and unmasked. shared_info is mapped already: an upcall that
// nobody can clear would stay the last. For each CPU.
void StartInterrupts();

inline void EnableInterrupts() { asm volatile("msr daifclr, #2" ::: "memory"); }
inline void DisableInterrupts() { asm volatile("msr daifset, #2" ::: "memory"); }

}  // namespace pyrene::guest::bench
