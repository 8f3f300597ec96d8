// SPDX-License-Identifier: Apache-2.0
#include "services/init/cpu_placement.h"

#include "absl/strings/str_cat.h"

namespace pyrene::init {

absl::StatusOr<std::vector<uint8_t>> PlaceVcpus(unsigned vcpus, absl::Span<const uint64_t> allowed,
                                                uint32_t cpus, CpuLoad& load) {
  std::vector<uint8_t> placement;
  for (unsigned vcpu = 0; vcpu < vcpus; ++vcpu) {
    const uint64_t may_use = vcpu < allowed.size() ? allowed[vcpu] : ~uint64_t{0};
    uint32_t best = cpus;
    for (uint32_t cpu = cpus; cpu-- > 0;) {
      if ((may_use >> cpu & 1) != 0 && (best == cpus || load[cpu] < load[best])) best = cpu;
    }
    if (best == cpus) {
      RemoveVcpus(placement, load);
      return absl::InvalidArgumentError(
          absl::StrCat("vCPU ", vcpu, " may use none of the machine's ", cpus, " CPUs"));
    }
    ++load[best];
    placement.push_back(static_cast<uint8_t>(best));
  }
  return placement;
}

void RemoveVcpus(absl::Span<const uint8_t> placement, CpuLoad& load) {
  for (const uint8_t cpu : placement) --load[cpu];
}

}  // namespace pyrene::init
