// SPDX-License-Identifier: Apache-2.0
//
// What cannot be said in C++: code.S.
#pragma once

#include <cstdint>

#include "runtime/kernel/syscall.h"

namespace pyrene::kernel_test {

// All registers of a fresh thread.
struct alignas(16) RegisterImage {
  uint64_t x[32];  // x0..x30, SP
  uint64_t q[64];
  uint64_t tpidr, nzcv, fpcr, fpsr;
};

// Registers filled with values that follow from `seed`, looked at again and again.
struct RegisterWatch {
  uint64_t seed = 0;
  uint64_t rounds = 0;  // counts up while they are right
  uint64_t errors = 0;
  uint64_t stop = 0;
  uint64_t call = 0;  // a system call for each round: 0 none, 1 yield, 2 a wait for `notification`
                      // until `deadline`
  uint64_t notification = 0;
  uint64_t deadline = 0;  // in ticks from now
};

// What an upcall's stack pointer must point to: kt_upcall calls handler(context, registers x0..x30
// of the interrupted code) and then returns from the upcall.
struct alignas(16) UpcallHook {
  void (*handler)(void* context, uint64_t* x);
  void* context;
};

}  // namespace pyrene::kernel_test

extern "C" {
// Entries of threads.
[[noreturn]] void kt_store_registers(pyrene::kernel_test::RegisterImage* image);

// A function: returns when watch->stop is set.
void kt_watch_registers(pyrene::kernel_test::RegisterWatch* watch);

// The entry to give to upcall_set; the stack pointer to give is an UpcallHook's address, with room
// below it.
void kt_upcall();

// `svc #0` with x8 = number, x0 = argument; answers x0, and the flags and x1..x7, x9..x17 must be
// what they were before (`damaged` counts those that are not).
uint64_t kt_linux_call(uint64_t number, uint64_t argument, uint64_t* damaged);

// Single instructions whose address a test must know.
uint64_t kt_load(const uint64_t* address);
extern const char kt_load_instruction[];
void kt_store(uint64_t* address, uint64_t value);
extern const char kt_store_instruction[];
void kt_undefined();
extern const char kt_undefined_instruction[];
void kt_breakpoint();
extern const char kt_breakpoint_instruction[];
void kt_read_sctlr();
extern const char kt_read_sctlr_instruction[];
void kt_svc3();
extern const char kt_svc3_instruction[];
void kt_svc2();
extern const char kt_svc2_instruction[];
void kt_hvc();
extern const char kt_hvc_instruction[];
void kt_smc();
extern const char kt_smc_instruction[];
}
