// SPDX-License-Identifier: Apache-2.0
//
// From an exception into the kernel and back: what arch/vectors.S calls. Each function returns the
// Frame to run with.
#pragma once

#include "kernel/arch/frame.h"
#include "kernel/sched/cpu.h"

namespace pyrene {

extern "C" {
Resumption HandleSynchronous(Cpu* cpu);
Frame* HandleInterrupt(Cpu* cpu);
[[noreturn]] void HandleSError(Cpu* cpu);
[[noreturn]] void EnterUser(Frame* frame);
}

// What this CPU runs next: the current thread, or a more urgent one. Idles until there is one.
Frame* Resume(Cpu& cpu);

}  // namespace pyrene
