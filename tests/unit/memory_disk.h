// SPDX-License-Identifier: Apache-2.0
//
// A disk in memory, as a driver that tests play shows it: pieces, one behind the other. Every
// request ends within Start.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "platform/block/disk.h"

namespace pyrene::tests {

class MemoryDisk final : public block::Disk {
 public:
  explicit MemoryDisk(std::vector<absl::Span<uint8_t>> pieces) : pieces_(std::move(pieces)) {
    for (const absl::Span<uint8_t> piece : pieces_)
      facts_.sectors += piece.size() / block::kSectorBytes;
    facts_.max_sectors = 256;
    facts_.max_discard = 8192;
  }

  const block::DiskFacts& facts() const override { return facts_; }
  bool CanStart() const override { return true; }
  void OnInterrupt() override {}
  void Start(const block::DiskRequest& request) override {
    uint8_t* data = request.memory == nullptr ? nullptr : request.memory->data + request.offset;
    uint64_t offset = request.sector * block::kSectorBytes;
    uint64_t left = uint64_t{request.count} * block::kSectorBytes;
    if (request.operation == block::Operation::kFlush) left = 0;
    for (const absl::Span<uint8_t> piece : pieces_) {
      if (offset >= piece.size()) {
        offset -= piece.size();
        continue;
      }
      const uint64_t part = std::min<uint64_t>(left, piece.size() - offset);
      Move(request.operation, piece.data() + offset, data, part);
      if (data != nullptr) data += part;
      left -= part;
      offset = 0;
    }
    Complete(request.tag, proto::BlockStatus::OK);
  }

 private:
  static void Move(block::Operation operation, uint8_t* disk, uint8_t* data, uint64_t bytes) {
    if (bytes == 0) return;
    if (operation == block::Operation::kRead) memcpy(data, disk, bytes);
    if (operation == block::Operation::kWrite) memcpy(disk, data, bytes);
    if (operation == block::Operation::kDiscard) memset(disk, 0, bytes);
  }

  const std::vector<absl::Span<uint8_t>> pieces_;
  block::DiskFacts facts_;
};

}  // namespace pyrene::tests
