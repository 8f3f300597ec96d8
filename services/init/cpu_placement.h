// SPDX-License-Identifier: Apache-2.0
//
// On which CPU each vCPU starts: the least loaded one that it may use.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernel/abi/syscall.h"

namespace pyrene::init {

// vCPUs on each CPU.
using CpuLoad = std::array<uint32_t, kMaxCpus>;

// `allowed`: per vCPU the CPUs as bits; a vCPU behind its end may use all. Of two CPUs with the
// same load the higher is taken, because the services run on CPU 0. Adds to `load`.
// InvalidArgument: a vCPU may use none of the machine's `cpus` CPUs.
absl::StatusOr<std::vector<uint8_t>> PlaceVcpus(unsigned vcpus, absl::Span<const uint64_t> allowed,
                                                uint32_t cpus, CpuLoad& load);

// Takes what PlaceVcpus added away.
void RemoveVcpus(absl::Span<const uint8_t> placement, CpuLoad& load);

}  // namespace pyrene::init
