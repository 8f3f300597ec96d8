// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/child.h"

#include <cstdlib>
#include <cstring>

#include "tests/kernel/program.h"

namespace pyrene::kernel_test {
namespace {

constexpr uint64_t kStackPages = 2;
constexpr uint64_t kSharedPages = 1 + Child::kMaxThreads * kStackPages;

}  // namespace

// At the top of a thread's stack.
struct Child::Launch {
  Function function;
  void* shared;
};

Child::Child(KernelTest& test, uint64_t quota_pages)
    : test_(test), domain_(test.NewDomain(quota_pages)) {
  EXPECT_EQ(MapProgram(domain_), Status::kOk);
  const CapIndex memory = test.Ram(kSharedPages);
  shared_ = test.Map(memory, kSharedPages);
  memset(shared_, 0, kSharedPages * kPage);
  EXPECT_EQ(sys::DomainMap(domain_, memory, 0, kSharedAddress, kSharedPages, kReadWrite),
            Status::kOk);
}

CapIndex Child::NewThread(Function function, ThreadParameters parameters) {
  if (threads_ == kMaxThreads) abort();
  const uint64_t launch = (1 + ++threads_ * kStackPages) * kPage - sizeof(Launch);
  static_assert(sizeof(Launch) % 16 == 0);
  *reinterpret_cast<Launch*>(shared_ + launch) = {function,
                                                  reinterpret_cast<void*>(kSharedAddress)};
  const CapIndex thread = test_.Slot();
  EXPECT_EQ(sys::ThreadCreate(thread, domain_, reinterpret_cast<uint64_t>(&Main),
                              kSharedAddress + launch, kSharedAddress + launch, parameters),
            Status::kOk);
  return thread;
}

CapIndex Child::Run(Function function, ThreadParameters parameters) {
  const CapIndex thread = NewThread(function, parameters);
  EXPECT_EQ(sys::ThreadStart(thread), Status::kOk);
  return thread;
}

void Child::Give(CapIndex index, CapIndex source, Rights rights, uint64_t badge) {
  EXPECT_EQ(sys::CapCopy(domain_, index, source, rights, badge), Status::kOk);
}

void Child::GiveSelf(CapIndex thread) {
  Give(kSelfDomainCap, domain_);
  Give(kSelfThreadCap, thread);
}

bool Child::Reaches(CapIndex thread, ThreadState state) const {
  return Eventually([thread, state] { return sys::ThreadInfo(thread).state == state; });
}

void Child::Main(Launch* launch) {
  launch->function(launch->shared);
  sys::ThreadExit(0);
}

}  // namespace pyrene::kernel_test
