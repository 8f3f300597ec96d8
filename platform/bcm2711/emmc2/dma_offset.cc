// SPDX-License-Identifier: Apache-2.0
#include "platform/bcm2711/emmc2/dma_offset.h"

#include <libfdt.h>

namespace pyrene::emmc2 {
namespace {

constexpr uint64_t kDmaBytes = uint64_t{1} << 30;

uint64_t Cells(const uint8_t* at, int cells) {
  uint64_t value = 0;
  for (int i = 0; i < 4 * cells; ++i) value = value << 8 | at[i];
  return value;
}

}  // namespace

absl::StatusOr<uint64_t> DmaOffset(absl::Span<const uint8_t> bytes) {
  const void* tree = bytes.data();
  if (bytes.size() < sizeof(fdt_header) || fdt_check_full(tree, bytes.size()) != 0)
    return absl::InvalidArgumentError("the device tree is damaged");
  const int node = fdt_node_offset_by_compatible(tree, -1, "brcm,bcm2711-emmc2");
  const int bus = node < 0 ? node : fdt_parent_offset(tree, node);
  const int above = bus < 0 ? bus : fdt_parent_offset(tree, bus);
  if (above < 0) return absl::NotFoundError("no emmc2 in the device tree");
  const int child_cells = fdt_address_cells(tree, bus);
  const int parent_cells = fdt_address_cells(tree, above);
  const int size_cells = fdt_size_cells(tree, bus);
  int length = 0;
  const auto* at = static_cast<const uint8_t*>(fdt_getprop(tree, bus, "dma-ranges", &length));
  const int entry = 4 * (child_cells + parent_cells + size_cells);
  if (at == nullptr || child_cells < 1 || parent_cells < 1 || size_cells < 1 || child_cells > 2 ||
      parent_cells > 2 || size_cells > 2) {
    return absl::NotFoundError("no dma-ranges of emmc2's bus");
  }
  for (; length >= entry; length -= entry, at += entry) {
    const uint64_t child = Cells(at, child_cells);
    const uint64_t parent = Cells(at + size_t{4} * child_cells, parent_cells);
    const uint64_t size = Cells(at + size_t{4} * (child_cells + parent_cells), size_cells);
    if (parent == 0 && size >= kDmaBytes) return child;
  }
  return absl::NotFoundError("emmc2's bus does not reach the first gigabyte");
}

}  // namespace pyrene::emmc2
