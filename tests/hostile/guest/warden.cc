// SPDX-License-Identifier: Apache-2.0
#include "tests/guest/counter.h"
#include "tests/guest/hypercall.h"
#include "tests/guest/psci.h"
#include "tests/hostile/guest/progress.h"
#include "tests/hostile/guest/vcpus.h"

extern "C" const char second_start[];

namespace pyrene::guest::hostile {
namespace {

constexpr uint64_t kReportEach = 5000;
constexpr uint64_t kGlance = 1'000'000;  // ns between two looks at the attackers
constexpr uint64_t kPatience = 100;      // looks at an attacker that does nothing
constexpr uint64_t kStackBytes = 16384;
constexpr uint32_t kCrash = 3;

struct alignas(16) Stack {
  unsigned char bytes[kStackBytes];
};
Stack stacks[kVcpus];

// Not by WFI: the others can turn the distributor off.
void Sleep(uint64_t nanoseconds) {
  const uint64_t hz = CounterFrequency();
  const uint64_t now = Counter();
  xen::SchedPoll poll = {};
  poll.timeout = now / hz * 1'000'000'000 + now % hz * 1'000'000'000 / hz + nanoseconds;
  Operate(xen::kSchedOp, xen::kSchedPoll, poll);
}

[[noreturn]] void Crash() {
  uint32_t reason = kCrash;
  for (;;) Operate(xen::kSchedOp, xen::kSchedShutdown, reason);
}

// Starts it if it is off; false: there is no such vCPU.
bool Started(uint32_t vcpu) {
  const int64_t state = psci::Call(psci::Function::kAffinityInfo, vcpu);
  if (state != psci::kOff) return state >= 0;
  psci::Call(psci::Function::kCpuOn, vcpu, reinterpret_cast<uint64_t>(second_start),
             reinterpret_cast<uint64_t>(&stacks[vcpu] + 1));
  return true;
}

}  // namespace

extern "C" [[noreturn]] void WardenFails() { Crash(); }

void Guard(const Progress& progress) {
  uint64_t seen[kVcpus] = {}, silent[kVcpus] = {};
  uint64_t told = progress.done;
  while (Done() < progress.target) {
    for (uint32_t vcpu = kWarden + 1; vcpu < kVcpus && Started(vcpu); ++vcpu) {
      silent[vcpu] = Counted(vcpu) == seen[vcpu] ? silent[vcpu] + 1 : 0;
      seen[vcpu] = Counted(vcpu);
      if (silent[vcpu] > kPatience) Crash();
    }
    if (Done() / kReportEach != told / kReportEach) Report(progress);
    told = Done();
    Sleep(kGlance);
  }
  Finish(progress);
}

}  // namespace pyrene::guest::hostile
