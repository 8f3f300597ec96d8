// SPDX-License-Identifier: Apache-2.0
//
// What keeps a CPU busy while interrupts come, as a thread of the lowest priority that never ends
// by itself.
#pragma once

#include <atomic>

#include "tests/bench/marks.h"
#include "tests/kernel/fixture.h"

namespace pyrene::bench {

struct Load {
  void (*mark)();
  // Makes what the load needs, and returns its loop, which ends soon after `stop`. Runs as a bare
  // thread (tests/kernel/task.h). Null: nothing is to be run.
  std::function<void(const std::atomic<bool>& stop)> (*prepare)(kernel_test::KernelTest& objects);
};

// All of them, as many as `count`.
const Load* Loads(unsigned& count);

}  // namespace pyrene::bench
