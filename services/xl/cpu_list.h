// SPDX-License-Identifier: Apache-2.0
// Sets of CPUs in xl's notation: "0-3,^2", "all,^1", "nodes:0"; and back, as `xl vcpu-list` prints
// them.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pyrene::xl {

// Bit n is CPU n.  kAllCpus is every CPU there is, however many.
using CpuMask = uint64_t;
inline constexpr CpuMask kAllCpus = ~CpuMask{0};
inline constexpr int kMaxCpuNumber = 63;

// Elements, separated by commas, add from left to right: a number, a range, "all"; '^' before a
// number or range takes away.  "node:0" and "nodes:0" are all CPUs, because there is one node.  A
// set without any CPU is an error.
absl::StatusOr<CpuMask> ParseCpuList(absl::string_view text);

// `cpus` of the `host_cpus` (1..64) CPUs of this machine: "all", "none", or ranges like "0-2,5".
std::string FormatCpuMask(CpuMask cpus, int host_cpus);

}  // namespace pyrene::xl
