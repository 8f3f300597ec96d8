// SPDX-License-Identifier: Apache-2.0
//
// A mounted ext2, ext3 or ext4 file system.
//
// A change is one transaction of the file system's journal (journal.h): it is on the medium when
// the call returns, or nothing of it ever will be. Only what Append gives waits for a later call.
// A file system without a journal, or with features that are not known here, is read only.
//
// All that is on it is hostile: paths, directories and maps end within a budget of reads
// (ext2_io.h), and no number of the disk's sizes an allocation that Mount has not bounded.
//
// Errors are sentences that name the file: NotFound, AlreadyExists, FailedPrecondition (no
// directory, no regular file, read only), ResourceExhausted (full), Unimplemented, DataLoss
// (damaged), Unavailable (the disk is gone: mount again), Internal.
#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "platform/block/disk_map.h"
#include "services/fs/ext2_io.h"
#include "services/fs/journal.h"

namespace pyrene::fs {

struct FileInfo {
  std::string name;  // the path's last part
  uint64_t bytes = 0;
  bool is_directory = false;
  bool is_regular = false;
  uint64_t version = 0;  // another number: another file, or it was changed
  uint32_t number = 0;   // another number: another file, whatever its name
};

struct Listing {
  std::vector<FileInfo> entries;
  uint32_t next = 0;  // `first` of what follows; 0: that was all
  bool more = false;
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
  static constexpr unsigned kMaxChangeReads = 8 * kMaxReads;  // a file's removal visits all extents
  // Of a file's map: beyond, copying the file helps.
  static constexpr size_t kMaxExtents = block::kMaxExtents;
  // The file that is being written, until it gets its name.
  static constexpr char kPartFile[] = "/.pyrene-part";
  // Blocks of metadata that one change may have.
  static constexpr size_t kMaxChanged = 384;
  // What Append keeps back at most, in bytes of data.
  static constexpr uint64_t kMaxPending = 4 << 20;

  // Whether to replay what is in the journal: where fs itself left it, or whoever. While a guest
  // has the file system mounted, there is what it left.
  enum class Replay : uint8_t { kOwn, kAny };

  // A partition, in sectors of 512 bytes. `device` is its name, for messages. NotFound: no such
  // file system; Aborted: somebody else's journal is to be replayed; FailedPrecondition: it is to
  // be repaired first, the message says how.
  static absl::StatusOr<std::unique_ptr<Volume>> Mount(BlockSource& source, uint64_t first,
                                                       uint64_t sectors, std::string device,
                                                       Replay replay = Replay::kOwn);
  ~Volume();

  // A change failed in the middle: what is in memory is not what is on the disk. Mount again.
  bool stale() const { return stale_; }
  // Mount found something in the journal.
  bool replayed() const { return replayed_; }

  absl::StatusOr<FileInfo> Stat(absl::string_view path);
  // Of the path's last part itself, where it is a symbolic link.
  absl::StatusOr<FileInfo> Look(absl::string_view path);
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

  // Each may be called again when it is not known whether it was done: it succeeds then.
  // `number` is what Look said before.

  // A new kPartFile, empty, instead of a former one. ResourceExhausted: there is no room for
  // `bytes`.
  absl::StatusOr<FileInfo> StartFile(uint64_t bytes);
  // Adds `bytes` bytes, of `from` or else zeros, to kPartFile, which is file `number` and has
  // `offset` bytes: a multiple of the block size. How many it has then; what it has if it was not
  // `offset`. NotFound: it is another file.
  absl::StatusOr<uint64_t> Append(uint32_t number, uint64_t offset, uint64_t bytes,
                                  const uint8_t* from);
  // What Append took is on the medium.
  absl::Status Sync();
  // `to`, if it is a file, is replaced. Files only.
  absl::Status Rename(absl::string_view from, absl::string_view to, uint32_t number);
  // A file or an empty directory.
  absl::Status Remove(absl::string_view path, uint32_t number);
  absl::Status MakeDirectory(absl::string_view path);
  // Writes zeros where the file has none, from `offset` on and at most kFillBlocks blocks. From
  // where to go on; its size: done.
  static constexpr uint64_t kFillBlocks = 256;
  absl::StatusOr<uint64_t> FillHoles(absl::string_view path, uint64_t offset);

  const std::string& device() const { return device_; }

 private:
  Volume(BlockSource& source, uint64_t first, uint64_t sectors, std::string device)
      : io_(source, first, sectors), first_(first), device_(std::move(device)) {}
  absl::Status CheckSuperblock(uint64_t sectors);
  absl::Status Open(int flags);
  // True: it was replayed, and all is to be opened again.
  absl::StatusOr<bool> OpenJournal(Replay replay);
  // What libext2fs's `error` about `path` means.
  absl::Status Explain(errcode_t error, absl::string_view path) const;
  absl::Status Find(absl::string_view path, ext2_ino_t& number, ext2_inode& inode);
  absl::Status FindRegular(absl::string_view path, ext2_ino_t& number, ext2_inode& inode);
  absl::Status ReadBlocks(ext2_ino_t number, ext2_inode& inode, absl::string_view path,
                          uint64_t offset, absl::Span<uint8_t> to);

  // changes.cc
  struct Name {  // of an entry of a directory
    ext2_ino_t directory = 0;
    std::string name;
    ext2_ino_t number = 0;  // 0: there is none
  };
  using Work = std::function<absl::Status()>;
  absl::Status MakeWritable();
  // Why not; OkStatus: it can be.
  absl::Status CheckWritable() const;
  // `work`, and if it succeeds a transaction.
  absl::Status Change(absl::string_view path, const Work& work);
  absl::Status Try(errcode_t error, absl::string_view path) const;
  absl::Status Commit();
  // A group's bitmaps and its descriptor; the superblock.
  absl::Status CollectGroup(dgrp_t group);
  absl::Status CollectSuper();
  absl::StatusOr<Name> FindName(absl::string_view path);
  errcode_t Link(const Name& name, ext2_ino_t number, int kind);
  // A directory's only one.
  errcode_t DropLink(ext2_ino_t number);
  // Gives the file blocks from its block `first` on, with `from` or zeros.
  absl::Status Allocate(ext2_ino_t number, ext2_inode& inode, uint64_t first, uint64_t bytes,
                        const uint8_t* from, absl::string_view path);
  absl::Status WriteBlocks(uint64_t physical, uint64_t bytes, const uint8_t* from);
  errcode_t MarkWritten(ext2_ino_t number, ext2_inode& inode, uint64_t block, uint32_t blocks);
  bool HasRoom(uint64_t bytes) const;
  void TakeStats(blk64_t block, int in_use);

  Ext2Io io_;
  const uint64_t first_;  // sector of the partition
  const std::string device_;
  ext2_filsys fs_ = nullptr;
  std::unique_ptr<Journal> journal_;
  absl::Status journal_status_;  // why there is none that can be used
  bool writable_ = false;
  bool stale_ = false;
  bool replayed_ = false;
  std::set<dgrp_t> groups_;     // whose bitmaps were changed
  uint64_t pending_ = 0;        // bytes that Append keeps back
  std::vector<uint8_t> block_;  // for what is not whole blocks
  // The last look-up: a file is read by many requests. A change forgets it.
  struct Found {
    std::string path;
    ext2_ino_t number = 0;
    ext2_inode inode = {};
  } found_;
};

}  // namespace pyrene::fs
