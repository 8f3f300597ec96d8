// SPDX-License-Identifier: Apache-2.0
//
// Bare kernel threads. A task's function runs without thread-local storage and without the
// personality: system calls, atomics and what its argument points to, no library and no gtest
// assertion.
#pragma once

#include <cstdint>
#include <memory>

#include "kernel/abi/syscall.h"
#include "tests/kernel/fixture.h"

namespace pyrene::kernel_test {

inline constexpr uint8_t kTaskPriority = 16;

constexpr ThreadParameters On(uint32_t cpu, uint8_t priority = kTaskPriority,
                              uint16_t weight = 256) {
  return {priority, static_cast<uint8_t>(cpu), weight};
}

// A thread of this domain. The destructor ends it wherever it is.
class Task {
 public:
  using Function = void (*)(void* context);

  // Created, not started. When `function` returns the thread exits with status 0.
  Task(Function function, void* context, ThreadParameters parameters = On(0));
  ~Task();
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  CapIndex cap() const { return cap_; }
  void Start();
  ThreadState State() const { return sys::ThreadInfo(cap_).state; }
  bool Reaches(ThreadState state) const;
  // It has returned from its function.
  bool Ends() const { return Reaches(ThreadState::kExited); }

  static constexpr uint64_t kStackBytes = 16384;

 private:
  struct Launch {
    Function function;
    void* context;
  };
  [[noreturn]] static void Main(Launch* launch);

  std::unique_ptr<uint8_t[]> stack_;
  CapIndex cap_;
};

// A task from anything that can be called: its captures live as long as this object.
template <typename Callable>
class TaskOf {
 public:
  TaskOf(ThreadParameters parameters, Callable callable)
      : callable_(callable),
        task_([](void* self) { static_cast<TaskOf*>(self)->callable_(); }, this, parameters) {}
  Task* operator->() { return &task_; }
  Task& operator*() { return task_; }

 private:
  Callable callable_;
  Task task_;
};
template <typename Callable>
TaskOf(ThreadParameters, Callable) -> TaskOf<Callable>;

}  // namespace pyrene::kernel_test
