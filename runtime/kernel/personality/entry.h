// SPDX-License-Identifier: Apache-2.0
//
// The labels of entry.S, and what it calls.
#pragma once

#include <cstdint>

#include "runtime/kernel/personality/thread_control.h"

extern "C" {

void pyrene_start();         // the ELF entry
void pyrene_upcall();        // where the kernel enters an upcall
void pyrene_thread_start();  // x0 = ThreadControl: the first instruction of a created thread
void pyrene_thread_enter();  // x19 = ThreadControl: begins at ThreadControl::start

// Called from entry.S on the service's stack; answers the stack pointer for glibc's _start.
uint64_t pyrene_personality_start(uint64_t page, uint64_t sp);
// Called from entry.S on the upcall stack.
void pyrene_personality_upcall(pyrene::personality::UpcallFrame* frame);

void _start();  // glibc's

}  // extern "C"
