// SPDX-License-Identifier: Apache-2.0
//
// libext2fs's io_manager over a partition of a BlockSource.
//
// What libext2fs writes is metadata. It is collected, and answers libext2fs's reads, until
// services/fs/journal.h has brought it to the disk as a whole or Drop forgets it.
//
// What libext2fs follows are numbers from the disk, which is not trusted: trees of extents may
// refer to the same block many times, at each of five levels. So each operation has a budget of
// reads, and ends with an error when it is spent; no block outside of the partition is read.
#pragma once

#include <ext2fs/ext2fs.h>

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "services/fs/block_source.h"

namespace pyrene::fs {

class Ext2Io {
 public:
  static constexpr uint32_t kMaxBlockBytes = 4096;
  static constexpr unsigned kCachedBlocks = 16;
  using Blocks = std::map<uint64_t, std::vector<uint8_t>>;  // by their number

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
  // The same way, past what is collected.
  absl::Status WriteData(uint64_t offset, absl::Span<const uint8_t> from);
  absl::Status Flush() { return source_.Flush(); }
  bool read_only() const { return source_.read_only(); }

  // From now on writes are taken, of so many blocks. More: ResourceExhausted.
  void Collect(size_t most) { most_ = most; }
  const Blocks& collected() const { return collected_; }
  // A whole block, as libext2fs reads and writes it.
  absl::Status ReadBlock(uint64_t block, absl::Span<uint8_t> to);
  absl::Status WriteBlock(uint64_t block, absl::Span<const uint8_t> from);
  // The block is free: whatever is in it, it is no metadata any more.
  void Forget(uint64_t block) { collected_.erase(block); }
  void Drop();

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
  bool Contains(uint64_t offset, size_t bytes) const {
    return offset <= bytes_ && bytes <= bytes_ - offset;
  }

  BlockSource& source_;
  const uint64_t first_;
  const uint64_t bytes_;
  unsigned reads_left_ = 0;
  absl::Status status_;
  std::array<CachedBlock, kCachedBlocks> cache_;
  uint64_t clock_ = 0;
  Blocks collected_;
  size_t most_ = 0;
};

}  // namespace pyrene::fs
