// SPDX-License-Identifier: Apache-2.0
//
// The end: registers, a symbolised backtrace, and all CPUs stop. Only for what the kernel itself
// did wrong, or a machine that cannot go on.
#pragma once

#include <cstdint>

#include "kernel/arch/frame.h"

namespace pyrene {

[[noreturn]] void Panic(const char* format, ...) __attribute__((format(printf, 1, 2)));
// Init, without which nothing can go on, has faulted: facts and where it was.
[[noreturn]] void InitFailure(uint64_t esr, uint64_t far, uint64_t pc);
// A boot failure: says what is wrong, without a backtrace.
[[noreturn]] void BootFailure(const char* format, ...) __attribute__((format(printf, 1, 2)));

extern "C" [[noreturn]] void PanicOnException(uint64_t kind, const Frame* frame);

// The symbol table from the boot bundle, for backtraces: sorted lines of sixteen hexadecimal
// digits, a space and a name. `image_base` is where the kernel, linked at 0, runs.
void SetSymbols(const char* text, uint64_t bytes, uint64_t image_base, uint64_t image_bytes);

}  // namespace pyrene
