// SPDX-License-Identifier: Apache-2.0
#include "services/fs/ext2_io.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace pyrene::fs {
namespace {

// libext2fs's open() hears of the name only.
Ext2Io* opening = nullptr;

}  // namespace

io_manager Ext2Io::Manager() {
  static struct_io_manager manager = [] {
    struct_io_manager made = {};
    made.magic = EXT2_ET_MAGIC_IO_MANAGER;
    made.name = "pyrene";
    made.open = Open;
    made.close = Close;
    made.set_blksize = SetBlockSize;
    made.read_blk = Read32;
    made.write_blk = Write32;
    made.flush = Flush;
    made.set_option = SetOption;
    made.read_blk64 = Read64;
    made.write_blk64 = Write64;
    return made;
  }();
  opening = this;
  return &manager;
}

errcode_t Ext2Io::Open(const char*, int, io_channel* channel) {
  auto* const made = static_cast<io_channel>(std::calloc(1, sizeof(struct_io_channel)));
  if (made == nullptr) return EXT2_ET_NO_MEMORY;
  made->magic = EXT2_ET_MAGIC_IO_CHANNEL;
  made->manager = opening->Manager();
  made->block_size = EXT2_MIN_BLOCK_SIZE;
  made->refcount = 1;
  made->private_data = opening;
  *channel = made;
  return 0;
}

errcode_t Ext2Io::Close(io_channel channel) {
  if (--channel->refcount == 0) std::free(channel);
  return 0;
}

errcode_t Ext2Io::SetBlockSize(io_channel channel, int bytes) {
  if (bytes < EXT2_MIN_BLOCK_SIZE || static_cast<uint32_t>(bytes) > kMaxBlockBytes)
    return EXT2_ET_UNEXPECTED_BLOCK_SIZE;
  if (channel->block_size == bytes) return 0;
  channel->block_size = bytes;
  for (CachedBlock& cached : static_cast<Ext2Io*>(channel->private_data)->cache_)
    cached.offset = kNone;
  return 0;
}

errcode_t Ext2Io::Read64(io_channel channel, unsigned long long block, int count, void* data) {
  return static_cast<Ext2Io*>(channel->private_data)
      ->Read(static_cast<uint32_t>(channel->block_size), block, count, static_cast<uint8_t*>(data));
}

errcode_t Ext2Io::Read32(io_channel channel, unsigned long block, int count, void* data) {
  return Read64(channel, block, count, data);
}

errcode_t Ext2Io::Write64(io_channel channel, unsigned long long block, int count,
                          const void* data) {
  Ext2Io& io = *static_cast<Ext2Io*>(channel->private_data);
  const auto block_bytes = static_cast<size_t>(channel->block_size);
  if (count < 0) return EROFS;  // parts of blocks are the superblock's, which is not written so
  const auto* from = static_cast<const uint8_t*>(data);
  absl::Status status;
  for (int i = 0; i < count && status.ok(); ++i, from += block_bytes)
    status = io.WriteBlock(block + static_cast<unsigned>(i), {from, block_bytes});
  if (status.ok()) return 0;
  if (io.status_.ok()) io.status_ = status;
  return EIO;
}

errcode_t Ext2Io::Write32(io_channel channel, unsigned long block, int count, const void* data) {
  return Write64(channel, block, count, data);
}

errcode_t Ext2Io::Flush(io_channel) { return 0; }
errcode_t Ext2Io::SetOption(io_channel, const char*, const char*) { return 0; }

// `count` blocks, or -count bytes.
errcode_t Ext2Io::Read(uint32_t block_bytes, uint64_t block, int count, uint8_t* to) {
  absl::Status status;
  uint64_t left = count < 0 ? uint64_t{0} - static_cast<int64_t>(count)
                            : uint64_t{block_bytes} * static_cast<uint64_t>(count);
  if (block > bytes_ / block_bytes) {
    status = absl::OutOfRangeError("a block beyond the partition");
  }
  for (uint64_t offset = block * block_bytes; status.ok() && left > 0;) {
    if (reads_left_ == 0) {
      status = absl::DataLossError("damaged: it refers to more blocks than it can have");
      break;
    }
    --reads_left_;
    const size_t part = std::min<uint64_t>(left, block_bytes);
    status = ReadCached(offset, {to, part}, block_bytes);
    offset += part;
    to += part;
    left -= part;
  }
  if (status.ok()) return 0;
  if (status_.ok()) status_ = status;
  return EIO;
}

absl::Status Ext2Io::ReadCached(uint64_t offset, absl::Span<uint8_t> to, uint32_t block_bytes) {
  if (const auto changed = collected_.find(offset / block_bytes); changed != collected_.end()) {
    std::memcpy(to.data(), changed->second.data(), std::min(to.size(), changed->second.size()));
    return absl::OkStatus();
  }
  CachedBlock* oldest = &cache_[0];
  ++clock_;
  for (CachedBlock& cached : cache_) {
    if (cached.offset == offset) {
      cached.used = clock_;
      std::memcpy(to.data(), cached.bytes.data(), to.size());
      return absl::OkStatus();
    }
    if (cached.used < oldest->used) oldest = &cached;
  }
  oldest->offset = kNone;
  oldest->bytes.resize(block_bytes);
  absl::Status status = ReadData(offset, absl::MakeSpan(oldest->bytes));
  if (!status.ok()) return status;
  oldest->offset = offset;
  oldest->used = clock_;
  std::memcpy(to.data(), oldest->bytes.data(), to.size());
  return status;
}

absl::Status Ext2Io::ReadData(uint64_t offset, absl::Span<uint8_t> to) {
  if (!Contains(offset, to.size())) return absl::OutOfRangeError("a block beyond the partition");
  return source_.Read(first_ + offset / kSectorBytes, to);
}

absl::Status Ext2Io::WriteData(uint64_t offset, absl::Span<const uint8_t> from) {
  if (!Contains(offset, from.size())) return absl::OutOfRangeError("a block beyond the partition");
  for (CachedBlock& cached : cache_) {
    if (cached.offset < offset + from.size() && offset < cached.offset + cached.bytes.size())
      cached.offset = kNone;
  }
  return source_.Write(first_ + offset / kSectorBytes, from);
}

absl::Status Ext2Io::ReadBlock(uint64_t block, absl::Span<uint8_t> to) {
  if (block > bytes_ / to.size()) return absl::OutOfRangeError("a block beyond the partition");
  return ReadCached(block * to.size(), to, static_cast<uint32_t>(to.size()));
}

absl::Status Ext2Io::WriteBlock(uint64_t block, absl::Span<const uint8_t> from) {
  if (block > bytes_ / from.size() || !Contains(block * from.size(), from.size()))
    return absl::OutOfRangeError("a block beyond the partition");
  const auto place = collected_.find(block);
  if (place == collected_.end() && collected_.size() >= most_)
    return absl::ResourceExhaustedError("it would change too much at once");
  collected_[block].assign(from.begin(), from.end());
  return absl::OkStatus();
}

void Ext2Io::Drop() {
  collected_.clear();
  for (CachedBlock& cached : cache_) cached.offset = kNone;
}

}  // namespace pyrene::fs
