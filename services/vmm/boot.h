// SPDX-License-Identifier: Apache-2.0
//
// Puts kernel, initrd and device tree into the guest's RAM. Before the guest runs, at each boot.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/vmm/guest_memory.h"

namespace pyrene::vmm {

struct BootFiles {
  std::span<const uint8_t> kernel;
  std::span<const uint8_t> initrd;  // may be empty
  std::string_view command_line;
  std::span<const uint8_t> seed;  // random, 128 bytes as xl gives
};

struct BootEntry {
  uint64_t entry = 0;  // for Domain::Boot
  uint64_t device_tree = 0;
};

// Does not zero the rest of RAM: fresh memory is the kernel's to zero, and at a reboot the guest's
// own old contents harm nobody. What the guest reads before its caches are on is cleaned to memory.
absl::StatusOr<BootEntry> LoadGuest(const GuestMemory& memory, uint32_t vcpus,
                                    const BootFiles& files);

}  // namespace pyrene::vmm
