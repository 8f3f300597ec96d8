// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/blkif/ram_disk.h"

#include <cstring>
#include <utility>

#include "services/vmm/blkif/interface.h"

namespace pyrene::vmm::blkif {

RamDisk::RamDisk(std::vector<absl::Span<uint8_t>> pieces, bool read_only)
    : pieces_(std::move(pieces)) {
  for (const absl::Span<uint8_t> piece : pieces_) facts_.sectors += piece.size() / kSectorBytes;
  facts_.read_only = read_only;
  facts_.max_discard = read_only ? 0 : kDiscardSectors;
}

void RamDisk::Discard(uint64_t sector, uint64_t count) {
  ForEachPart(sector * kSectorBytes, count * kSectorBytes, [](uint8_t* at, uint64_t bytes) {
    memset(at, 0, bytes);
    return true;
  });
}

}  // namespace pyrene::vmm::blkif
