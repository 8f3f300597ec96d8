// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/guest.h"

#include <cstdlib>
#include <cstring>

namespace pyrene::kernel_test {
namespace {

constexpr uint64_t kEl1hMasked = 0x3c5;
constexpr uint64_t kGicvPages = 2;
constexpr uint64_t kQuotaPages = 16;
constexpr uint64_t kStackBytes = 256;  // at the end of a vCPU's own page

}  // namespace

Guest::Guest(KernelTest& test, unsigned vcpus) {
  if (vcpus > kMaxVcpus) abort();
  domain_ = test.NewDomain(kQuotaPages);
  memory_ = test.Ram(kRamPages);
  ram_ = test.Map(memory_, kRamPages);
  memset(ram_, 0, kRamPages * kPage);
  memcpy(ram_, kg_begin, static_cast<size_t>(kg_end - kg_begin));
  code_pages_ = static_cast<uint64_t>(kg_end - kg_begin) / kPage;
  // Stage 1 is off: the guest fetches without caches.
  for (uint64_t offset = 0; offset < code_pages_ * kPage; offset += 64)
    asm volatile("dc cvac, %0; ic ivau, %0" ::"r"(ram_ + offset) : "memory");
  asm volatile("dsb ish; isb" ::: "memory");
  EXPECT_EQ(sys::DomainMap(domain_, memory_, 0, kRam, kRamPages, kReadWrite | rights::kExecute),
            Status::kOk);
  EXPECT_EQ(sys::DomainMap(domain_, Boot().gicv, 0, kGicv, kGicvPages, kReadWrite), Status::kOk);
  for (unsigned i = 0; i < vcpus; ++i) {
    const uint64_t address = test.FreeAddress(1);
    vcpu_[i] = test.Slot();
    EXPECT_EQ(sys::VcpuCreate(vcpu_[i], domain_, address, i), Status::kOk);
    state_[i] = reinterpret_cast<VcpuState*>(address);
  }
}

void Guest::Begin(unsigned i, const char* program, uint64_t x0, uint64_t x1) {
  VcpuState& s = *state_[i];
  s.pc = Program(program);
  s.pstate = kEl1hMasked;
  s.x[0] = x0;
  s.x[1] = x1;
  s.el1.sp_el1 = PageOf(i) + kPage - kStackBytes;
}

void Vmm::operator()() {
  uint64_t flags = 0;
  for (;;) {
    const sys::VcpuExit exit = sys::VcpuRun(vcpu, flags);
    status = static_cast<int64_t>(exit.status);
    reason = static_cast<uint64_t>(exit.reason);
    flags = 0;
    if (exit.status != Status::kOk || exit.reason != ExitReason::kException) break;
    if (ExitClass() == kExitWfx) {
      waits = waits + 1;
      state->pc += 4;
      flags = run_flags::kBlock;
    } else if (ExitClass() == kExitHvc && hypercalls) {
      calls = calls + 1;
    } else {
      break;
    }
  }
  ended = true;
}

}  // namespace pyrene::kernel_test
