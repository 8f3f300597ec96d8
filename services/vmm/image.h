// SPDX-License-Identifier: Apache-2.0
//
// The arm64 Linux `Image`: its header (ABI 1.1), and where kernel, initrd and device tree go in the
// guest's RAM. Computation only.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

namespace pyrene::vmm {

struct ImageHeader {
  static constexpr uint64_t kBytes = 64;

  uint64_t text_offset = 0;  // from a 2 MiB-aligned base
  uint64_t image_size = 0;   // in memory, BSS included
  uint64_t flags = 0;
};

// `start`: the first bytes of the file, at least ImageHeader::kBytes unless it is shorter;
// `file_size`: of all of it. The errors say what the file is instead, for the user who named it in
// the guest's configuration.
absl::StatusOr<ImageHeader> ReadImageHeader(std::span<const uint8_t> start, uint64_t file_size);

struct Placement {
  uint64_t kernel = 0;  // also the entry point
  uint64_t initrd = 0;  // 0 if there is none
  uint64_t device_tree = 0;
};

// All in the bank [ram_base, ram_base + ram_bytes), whose base is 2 MiB-aligned. initrd and device
// tree lie 128 MiB above the base if both fit there, else as high as possible; the kernel's memory
// stays free in any case. `device_tree_bytes`: room to be kept for it.
absl::StatusOr<Placement> PlaceImage(const ImageHeader& header, uint64_t kernel_bytes,
                                     uint64_t initrd_bytes, uint64_t device_tree_bytes,
                                     uint64_t ram_base, uint64_t ram_bytes);

}  // namespace pyrene::vmm
