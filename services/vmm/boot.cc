// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/boot.h"

#include <cstring>

#include "absl/status/status.h"
#include "services/vmm/cache.h"
#include "services/vmm/device_tree.h"
#include "services/vmm/image.h"

namespace pyrene::vmm {

absl::StatusOr<BootEntry> LoadGuest(const GuestMemory& memory, uint32_t vcpus,
                                    const BootFiles& files) {
  const auto header = ReadImageHeader(
      files.kernel.first(std::min<size_t>(files.kernel.size(), ImageHeader::kBytes)),
      files.kernel.size());
  if (!header.ok()) return header.status();
  const GuestMemory::Region& bank = memory.bank(0);
  const uint64_t tree_bytes = kDeviceTreeOverhead + files.command_line.size();
  const auto placement = PlaceImage(*header, files.kernel.size(), files.initrd.size(), tree_bytes,
                                    bank.gpa, bank.bytes);
  if (!placement.ok()) return placement.status();

  std::byte* kernel = memory.Range(placement->kernel, header->image_size);
  std::byte* tree = memory.Range(placement->device_tree, tree_bytes);
  if (kernel == nullptr || tree == nullptr) {
    return absl::InternalError("kernel and device tree were placed outside the guest's memory");
  }
  std::memcpy(kernel, files.kernel.data(), files.kernel.size());
  // With what lies behind the file: the kernel clears that, and builds its first tables there, with
  // its caches off.
  CleanToMemory(kernel, header->image_size);
  if (!files.initrd.empty()) {
    std::byte* initrd = memory.Range(placement->initrd, files.initrd.size());
    if (initrd == nullptr)
      return absl::InternalError("initrd was placed outside the guest's memory");
    std::memcpy(initrd, files.initrd.data(), files.initrd.size());
    CleanToMemory(initrd, files.initrd.size());
  }

  DeviceTreeConfig config;
  config.vcpus = vcpus;
  for (unsigned i = 0; i < GuestMemory::kBanks; ++i) {
    config.banks[i] = {memory.bank(i).gpa, memory.bank(i).bytes};
  }
  config.command_line = files.command_line;
  config.initrd_start = placement->initrd;
  config.initrd_end = placement->initrd + files.initrd.size();
  config.seed = files.seed;
  const auto size =
      BuildDeviceTree(config, {reinterpret_cast<uint8_t*>(tree), static_cast<size_t>(tree_bytes)});
  if (!size.ok()) return size.status();
  CleanToMemory(tree, *size);
  return BootEntry{placement->kernel, placement->device_tree};
}

}  // namespace pyrene::vmm
