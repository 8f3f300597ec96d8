// SPDX-License-Identifier: Apache-2.0
//
// A mounted ext2, ext3 or ext4 file system, read only.
//
// All that is on it is hostile: paths, directories and maps end within a budget of reads
// (ext2_io.h), and no number of the disk's sizes an allocation that Mount has not bounded.
//
// Errors are sentences that name the file: NotFound, FailedPrecondition (no directory, no regular
// file), Unimplemented, DataLoss (damaged), Unavailable (the disk is gone: mount again), Internal.
#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "platform/block/disk_map.h"
#include "services/fs/ext2_io.h"

namespace pyrene::fs {

struct FileInfo {
  std::string name;  // the path's last part
  uint64_t bytes = 0;
  bool is_directory = false;
  bool is_regular = false;
  uint64_t version = 0;  // another number: another file, or it was changed
};

struct Listing {
  std::vector<FileInfo> entries;
  uint32_t next = 0;  // `first` of what follows; 0: that was all
};

using block::Extent;

// Where a file is on the disk.
struct FileMap {
  uint64_t bytes = 0;
  std::vector<Extent> extents;  // the last one ends with the file's last sector
};

struct Usage {
  uint64_t total_kib = 0;
  uint64_t free_kib = 0;
  uint64_t available_kib = 0;
};

class Volume {
 public:
  // 1 TiB with the usual groups. What Mount allocates for the groups' descriptors.
  static constexpr uint64_t kMaxDescriptorBytes = 512 << 10;
  // Of metadata, in one operation.
  static constexpr unsigned kMaxReads = 16384;
  // Of a file's map: beyond, copying the file helps.
  static constexpr size_t kMaxExtents = block::kMaxExtents;

  // A partition, in sectors of 512 bytes. `device` is its name, for messages. NotFound: no such
  // file system; FailedPrecondition: it is to be repaired first, the message says how.
  static absl::StatusOr<std::unique_ptr<Volume>> Mount(BlockSource& source, uint64_t first,
                                                       uint64_t sectors, std::string device);
  ~Volume();

  absl::StatusOr<FileInfo> Stat(absl::string_view path);
  // Up to `most` entries behind the first `first` ones, without "." and "..".
  absl::StatusOr<Listing> List(absl::string_view path, uint32_t first, size_t most);
  struct Part {
    size_t bytes = 0;  // fewer than there was room for: the end
    uint64_t file_bytes = 0;
    uint64_t version = 0;
  };
  absl::StatusOr<Part> Read(absl::string_view path, uint64_t offset, absl::Span<uint8_t> to);
  // FailedPrecondition: not all of it is written.
  absl::StatusOr<FileMap> Map(absl::string_view path);
  Usage GetUsage() const;
  const std::string& device() const { return device_; }

 private:
  // Blocks of a file that lie in a row.
  struct Run {
    uint64_t physical = 0;  // 0: zeros
    uint64_t blocks = 1;
  };

  Volume(BlockSource& source, uint64_t first, uint64_t sectors, std::string device)
      : io_(source, first, sectors), first_(first), device_(std::move(device)) {}
  absl::Status CheckSuperblock(uint64_t sectors);
  // What libext2fs's `error` about `path` means.
  absl::Status Explain(errcode_t error, absl::string_view path) const;
  absl::Status Find(absl::string_view path, ext2_ino_t& number, ext2_inode& inode);
  absl::Status FindRegular(absl::string_view path, ext2_ino_t& number, ext2_inode& inode);
  errcode_t MapRun(ext2_ino_t number, ext2_inode& inode, uint64_t block, Run& run);
  absl::Status ReadBlocks(ext2_ino_t number, ext2_inode& inode, absl::string_view path,
                          uint64_t offset, absl::Span<uint8_t> to);

  Ext2Io io_;
  const uint64_t first_;  // sector of the partition
  const std::string device_;
  ext2_filsys fs_ = nullptr;
  std::vector<uint8_t> block_;  // for what is not whole blocks
  // The last look-up: a file is read by many requests, and nothing is changed under this mount.
  struct Found {
    std::string path;
    ext2_ino_t number = 0;
    ext2_inode inode = {};
  } found_;
};

}  // namespace pyrene::fs
