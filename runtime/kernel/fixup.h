// SPDX-License-Identifier: Apache-2.0
//
// The table of instructions that may fault without stopping the thread: those of guarded access
// (runtime/kernel/guarded_access.S). Each entry says where to go on instead.
#pragma once

#include <cstdint>

namespace pyrene::runtime {

// Layout known to guarded_access.S; section "pyrene_fixup".
struct Fixup {
  uint64_t begin;  // instructions in [begin, end) may fault
  uint64_t end;
  uint64_t target;
};

// Where to go on after a fault at `pc`, or 0 if it must not fault.
uint64_t FindFixup(uint64_t pc);

}  // namespace pyrene::runtime
