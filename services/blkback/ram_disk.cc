// SPDX-License-Identifier: Apache-2.0
#include "services/blkback/ram_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/guarded.h"
#include "runtime/kill_point.h"

namespace pyrene::blkback {
namespace {

// Of one discard: 4 MiB, so that it ends soon.
constexpr uint32_t kMaxDiscard = 8192;

}  // namespace

RamDisk::RamDisk(std::vector<absl::Span<uint8_t>> pieces, bool read_only)
    : pieces_(std::move(pieces)) {
  for (const absl::Span<uint8_t> piece : pieces_)
    facts_.sectors += piece.size() / block::kSectorBytes;
  facts_.read_only = read_only;
  facts_.max_sectors = kMaxSectors;
  facts_.max_discard = read_only ? 0 : kMaxDiscard;
}

template <typename Step>
bool RamDisk::ForEachPart(uint64_t offset, uint64_t bytes, Step step) {
  for (const absl::Span<uint8_t> piece : pieces_) {
    if (bytes == 0) break;
    if (offset >= piece.size()) {
      offset -= piece.size();
      continue;
    }
    const uint64_t part = std::min<uint64_t>(bytes, piece.size() - offset);
    if (!step(piece.data() + offset, part)) return false;
    bytes -= part;
    offset = 0;
  }
  return true;
}

void RamDisk::Start(const block::DiskRequest& request) {
  const uint64_t offset = request.sector * block::kSectorBytes;
  const uint64_t bytes = uint64_t{request.count} * block::kSectorBytes;
  uint8_t* data = request.memory == nullptr ? nullptr : request.memory->data + request.offset;
  bool ok = true;
  switch (request.operation) {
    case block::Operation::kRead:
      ok = ForEachPart(offset, bytes, [&data](uint8_t* at, uint64_t n) {
        data += n;
        return runtime::GuardedCopy(data - n, at, n);
      });
      break;
    case block::Operation::kWrite:
      runtime::KillPoint("write.begin");
      ok = ForEachPart(offset, bytes, [&data](uint8_t* at, uint64_t n) {
        data += n;
        return runtime::GuardedCopy(at, data - n, n);
      });
      runtime::KillPoint("write.done");
      break;
    case block::Operation::kDiscard:
      ForEachPart(offset, bytes, [](uint8_t* at, uint64_t n) {
        memset(at, 0, n);
        return true;
      });
      break;
    case block::Operation::kFlush:
      break;  // what is written is there
  }
  Complete(request.tag, ok ? proto::BlockStatus::OK : proto::BlockStatus::IO_ERROR);
}

}  // namespace pyrene::blkback
