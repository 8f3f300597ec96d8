// SPDX-License-Identifier: Apache-2.0
//
// libext2fs's io_manager over a partition of a BlockSource, read only.
//
// What libext2fs follows are numbers from the disk, which is not trusted: trees of extents may
// refer to the same block many times, at each of five levels. So each operation has a budget of
// reads, and ends with an error when it is spent; no block outside of the partition is read.
#pragma once

#include <ext2fs/ext2fs.h>

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "services/fs/block_source.h"

namespace pyrene::fs {

class Ext2Io {
 public:
  static constexpr uint32_t kMaxBlockBytes = 4096;
  static constexpr unsigned kCachedBlocks = 16;

  // `first` and `sectors` of 512 bytes.
  Ext2Io(BlockSource& source, uint64_t first, uint64_t sectors)
      : source_(source), first_(first), bytes_(sectors * kSectorBytes) {}
  Ext2Io(const Ext2Io&) = delete;
  Ext2Io& operator=(const Ext2Io&) = delete;

  // For ext2fs_open2. Only one Ext2Io may be opened at a time.
  io_manager Manager();

  // Begins an operation that may read so many blocks.
  void Begin(unsigned reads) {
    reads_left_ = reads;
    status_ = absl::OkStatus();
  }
  // Why the operation's first failed read failed; OkStatus if libext2fs alone found fault.
  const absl::Status& status() const { return status_; }

  // File data: not cached, and without a budget. `offset` in bytes within the partition; both
  // multiples of 512. OutOfRange: not within the partition.
  absl::Status ReadData(uint64_t offset, absl::Span<uint8_t> to);

 private:
  struct CachedBlock {
    uint64_t offset = kNone;
    uint64_t used = 0;
    std::vector<uint8_t> bytes;
  };
  static constexpr uint64_t kNone = ~uint64_t{0};

  static errcode_t Open(const char* name, int flags, io_channel* channel);
  static errcode_t Close(io_channel channel);
  static errcode_t SetBlockSize(io_channel channel, int bytes);
  static errcode_t Read32(io_channel channel, unsigned long block, int count, void* data);
  static errcode_t Read64(io_channel channel, unsigned long long block, int count, void* data);
  static errcode_t Write32(io_channel channel, unsigned long block, int count, const void* data);
  static errcode_t Write64(io_channel channel, unsigned long long block, int count,
                           const void* data);
  static errcode_t Flush(io_channel channel);
  static errcode_t SetOption(io_channel channel, const char* option, const char* value);

  errcode_t Read(uint32_t block_bytes, uint64_t block, int count, uint8_t* to);
  absl::Status ReadCached(uint64_t offset, absl::Span<uint8_t> to, uint32_t block_bytes);

  BlockSource& source_;
  const uint64_t first_;
  const uint64_t bytes_;
  unsigned reads_left_ = 0;
  absl::Status status_;
  std::array<CachedBlock, kCachedBlocks> cache_;
  uint64_t clock_ = 0;
};

}  // namespace pyrene::fs
