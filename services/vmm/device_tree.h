// SPDX-License-Identifier: Apache-2.0
//
// The device tree of a guest (ABI 1.4), as xl builds it: CPUs, memory, PSCI, GICv2, timer, the
// hypervisor node by which Linux knows Xen.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"

namespace pyrene::vmm {

struct DeviceTreeConfig {
  uint32_t vcpus = 1;
  struct Bank {
    uint64_t base = 0;
    uint64_t bytes = 0;  // 0: not there
  } banks[2];
  std::string_view command_line;
  uint64_t initrd_start = 0;
  uint64_t initrd_end = 0;  // exclusive; equal to the start: no initrd
  std::span<const uint8_t>
      seed;  // for the guest's random numbers; a guest without one waits long for entropy
};

// Room that a tree takes at most beside its command line.
inline constexpr uint64_t kDeviceTreeOverhead = 8192;

// Writes the tree into `out` (8-byte aligned); its size. ResourceExhausted if it does not fit.
absl::StatusOr<uint64_t> BuildDeviceTree(const DeviceTreeConfig& config, std::span<uint8_t> out);

}  // namespace pyrene::vmm
