// SPDX-License-Identifier: Apache-2.0
//
// The stack that a program finds at its first instruction on arm64 Linux: argc, argv, environment,
// auxiliary vector (System V ABI, "Process initialization").
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/start_info.h"

namespace pyrene::personality {

struct InitialStack {
  const char* name;         // argv[0]
  const char* arguments;    // `count` strings one behind the other
  uint32_t argument_count;  // what is beyond `argument_bytes` or kMaxArguments is left out
  uint32_t argument_bytes;
  const char* environment;   // one variable
  uint64_t program_headers;  // address of the ELF program headers, and their number
  uint64_t program_header_count;
  uint64_t entry;
  uint8_t random[16];
};

// The most that BuildInitialStack writes.
inline constexpr size_t kInitialStackBytes = 1024;

// Writes it below `top` (16-byte aligned, kInitialStackBytes there) and answers the stack pointer.
// Strings are referred to, not copied.
uintptr_t BuildInitialStack(uintptr_t top, const InitialStack& facts);

}  // namespace pyrene::personality
