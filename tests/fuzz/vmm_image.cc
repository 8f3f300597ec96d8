// SPDX-License-Identifier: Apache-2.0
//
// A kernel file's header and the placement that follows from it: whatever the file says, nothing
// may land outside the guest's RAM or on top of something else. Input: sizes of initrd and RAM,
// then the file.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "services/vmm/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pyrene::vmm::PlaceImage;
  using pyrene::vmm::ReadImageHeader;
  uint64_t sizes[2];
  if (size < sizeof(sizes)) return 0;
  std::memcpy(sizes, data, sizeof(sizes));
  const std::span<const uint8_t> file(data + sizeof(sizes), size - sizeof(sizes));
  const auto header = ReadImageHeader(file, file.size());
  if (!header.ok()) return 0;
  constexpr uint64_t kBase = 0x40000000;
  constexpr uint64_t kTree = 10000;
  const uint64_t ram = sizes[1] % 0xc0000001 & ~uint64_t{0xfff};
  const auto place = PlaceImage(*header, file.size(), sizes[0], kTree, kBase, ram);
  if (!place.ok()) return 0;
  const uint64_t kernel_end = place->kernel + header->image_size;
  const bool initrd_bad = sizes[0] != 0 && (place->initrd < kernel_end ||
                                            place->initrd + sizes[0] > place->device_tree);
  if (place->kernel < kBase || place->device_tree < kernel_end ||
      place->device_tree + kTree > kBase + ram || initrd_bad) {
    std::abort();
  }
  return 0;
}
