// SPDX-License-Identifier: Apache-2.0
//
// The kernel on the fake machine, driven from outside: the test is all user code. It makes system
// calls in the name of threads, lets time pass, and looks at who runs. One host thread plays all
// CPUs: when the kernel waits for another CPU, that one takes its interrupts.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "kernel/abi/capability.h"
#include "kernel/abi/syscall.h"
#include "kernel/object/domain.h"
#include "kernel/object/thread.h"
#include "kernel/sched/cpu.h"
#include "tests/unit/kernel_test_util.h"

namespace pyrene::kernel_test {

struct Answer {
  Status status;      // x0
  uint64_t value[7];  // x1..x7
};

// Thrown out of the kernel's wait for an interrupt: the CPU stays as it is there, idle, until it is
// interrupted.
struct CpuIsIdle {};

class KernelMachine {
 public:
  // `pages` for the root domain's quota. Its first thread has the highest priority and runs on CPU
  // 0; its table is empty but for itself and that thread, at the usual places.
  explicit KernelMachine(uint32_t cpus, size_t pages = 1000);
  ~KernelMachine();

  Domain& root() { return *root_; }
  Thread& boss() { return *boss_; }

  // Who runs on a CPU; nullptr: it is idle.
  static Thread* Running(uint32_t cpu) { return cpus[cpu].current; }

  // By the thread that runs on that CPU. The answer counts if it is still not blocked afterwards;
  // see AnswerOf.
  Answer Call(Thread& caller, Syscall number, std::initializer_list<uint64_t> arguments = {});
  // By the boss.
  Answer Call(Syscall number, std::initializer_list<uint64_t> arguments = {}) {
    return Call(boss(), number, arguments);
  }
  static Answer AnswerOf(Thread& thread);

  // The object that the boss's domain has there.
  template <typename T>
  T& Object(CapIndex index) {
    return *Slot::ObjectOf<T>(root_->caps().Find(index)->word);
  }
  // A thread of the root domain at a free index, not started.
  Thread& NewThread(ThreadParameters parameters, CapIndex* index = nullptr);
  CapIndex NextIndex() { return next_index_++; }

  // All CPUs take what interrupts they have, until there are none.
  void Settle();
  // Time passes; interrupts that come are taken.
  void Pass(uint64_t ticks);

  // One CPU takes one interrupt.
  static void Interrupt(uint32_t cpu);
  // The hooks of the fake machine are for one host thread again, which plays all CPUs. The CPUs
  // that sleep stay asleep.
  void PlayAlone();

 private:
  uint32_t cpus_;
  Account pool_;
  size_t pages_;
  Domain* root_;
  Thread* boss_;
  CapIndex next_index_ = kFirstFreeCap;
};

}  // namespace pyrene::kernel_test
