// SPDX-License-Identifier: Apache-2.0
//
// A guest's disk that is memory of its VMM's own: pieces that init keeps for the guest's life, one
// behind the other. What is written is where it must be at once, so there is nothing to flush.
//
// Single-threaded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "platform/block/disk.h"

namespace pyrene::vmm::blkif {

// Of a discard that are done at once: 4 MiB, so that it ends soon.
inline constexpr uint32_t kDiscardSectors = 8192;

class RamDisk {
 public:
  // Pieces of whole pages, mapped for the disk's life.
  RamDisk(std::vector<absl::Span<uint8_t>> pieces, bool read_only);

  const block::DiskFacts& facts() const { return facts_; }
  // Whether these sectors may be read, or else written: all are the disk's, and there is one.
  bool Allows(uint64_t sector, uint64_t count, bool write) const {
    return count != 0 && sector <= facts_.sectors && count <= facts_.sectors - sector &&
           !(write && facts_.read_only);
  }
  // Calls `step(memory, bytes)` for each part of a range of bytes, all of them the disk's, that
  // lies in one piece, until one of the calls is false: so is the result.
  template <typename Step>
  bool ForEachPart(uint64_t offset, uint64_t bytes, Step step) const;
  // They read as zeros.
  void Discard(uint64_t sector, uint64_t count);

 private:
  const std::vector<absl::Span<uint8_t>> pieces_;
  block::DiskFacts facts_;
};

template <typename Step>
bool RamDisk::ForEachPart(uint64_t offset, uint64_t bytes, Step step) const {
  for (const absl::Span<uint8_t> piece : pieces_) {
    if (offset >= piece.size()) {
      offset -= piece.size();
      continue;
    }
    const uint64_t part = std::min<uint64_t>(bytes, piece.size() - offset);
    if (!step(piece.data() + offset, part)) return false;
    bytes -= part;
    if (bytes == 0) break;
    offset = 0;
  }
  return true;
}

}  // namespace pyrene::vmm::blkif
