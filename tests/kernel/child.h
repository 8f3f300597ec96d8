// SPDX-License-Identifier: Apache-2.0
//
// Another domain that runs functions of this program (program.h) and shares a few pages with the
// test.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/kernel/fixture.h"
#include "tests/kernel/task.h"

namespace pyrene::kernel_test {

class Child {
 public:
  // Where the child sees the shared page. Everything it works with lies there: the child has no
  // data segment.
  static constexpr uint64_t kSharedAddress = 0x20000000;
  static constexpr uint64_t kSharedBytes = kPage;
  static constexpr uint64_t kMaxThreads = 4;
  // Nothing is ever mapped here.
  static constexpr uint64_t kUnmapped = 0x7000000000;

  using Function = void (*)(void* shared);

  // All objects and mappings end with the test.
  explicit Child(KernelTest& test, uint64_t quota_pages = 64);

  CapIndex domain() const { return domain_; }
  // The test's view of the shared page, zeroed.
  template <typename T>
  T* shared() const {
    static_assert(sizeof(T) <= kSharedBytes);
    return reinterpret_cast<T*>(shared_);
  }
  // A thread that calls `function` with the child's address of the shared page, and exits with
  // status 0 when it returns. Not started. The capability is the test's.
  CapIndex NewThread(Function function, ThreadParameters parameters = On(0));
  CapIndex Run(Function function, ThreadParameters parameters = On(0));
  // A copy of a capability of the test for the child.
  void Give(CapIndex index, CapIndex source, Rights rights = rights::kAll, uint64_t badge = 0);
  // The child's domain and a thread at their usual places.
  void GiveSelf(CapIndex thread);

  bool Reaches(CapIndex thread, ThreadState state) const;

 private:
  struct Launch;
  [[noreturn]] static void Main(Launch* launch);

  KernelTest& test_;
  CapIndex domain_;
  uint8_t* shared_;
  uint64_t threads_ = 0;
};

}  // namespace pyrene::kernel_test
