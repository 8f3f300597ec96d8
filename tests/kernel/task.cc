// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/task.h"

#include <cstdlib>
#include <new>

#include "runtime/kernel/cap_allocator.h"

namespace pyrene::kernel_test {

Task::Task(Function function, void* context, ThreadParameters parameters)
    : stack_(new uint8_t[kStackBytes]), cap_(runtime::Caps().Allocate()) {
  const uint64_t top =
      (reinterpret_cast<uint64_t>(stack_.get()) + kStackBytes - sizeof(Launch)) & ~uint64_t{15};
  auto* launch = new (reinterpret_cast<void*>(top)) Launch{function, context};
  if (sys::ThreadCreate(cap_, kSelfDomainCap, reinterpret_cast<uint64_t>(&Main), top,
                        reinterpret_cast<uint64_t>(launch), parameters) != Status::kOk)
    abort();
}

Task::~Task() {
  static_cast<void>(sys::CapDelete(cap_));
  runtime::Caps().Free(cap_);
}

void Task::Start() { EXPECT_EQ(sys::ThreadStart(cap_), Status::kOk); }

bool Task::Reaches(ThreadState state) const {
  return Eventually([this, state] { return State() == state; });
}

void Task::Main(Launch* launch) {
  launch->function(launch->context);
  sys::ThreadExit(0);
}

}  // namespace pyrene::kernel_test
