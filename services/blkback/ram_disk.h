// SPDX-License-Identifier: Apache-2.0
//
// A disk in memory: pieces that init keeps for a guest's life, one behind the other. They outlive
// this service, so what was written is there at its next life. Every request ends within Start.
#pragma once

#include <vector>

#include "absl/types/span.h"
#include "platform/block/disk.h"

namespace pyrene::blkback {

class RamDisk final : public block::Disk {
 public:
  // Of a transfer; the largest that a guest's ring can ask for.
  static constexpr uint32_t kMaxSectors = 256;

  // Pieces of whole pages, mapped for the disk's life.
  RamDisk(std::vector<absl::Span<uint8_t>> pieces, bool read_only);

  const block::DiskFacts& facts() const override { return facts_; }
  bool CanStart() const override { return true; }
  void Start(const block::DiskRequest& request) override;
  void OnInterrupt() override {}

 private:
  // Calls `step(memory, bytes)` for each part of the range that lies in one piece; false: one of
  // the calls was false.
  template <typename Step>
  bool ForEachPart(uint64_t offset, uint64_t bytes, Step step);

  std::vector<absl::Span<uint8_t>> pieces_;
  block::DiskFacts facts_;
};

}  // namespace pyrene::blkback
