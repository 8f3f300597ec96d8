// SPDX-License-Identifier: Apache-2.0
//
// What changes the file system: see Volume.
#include <algorithm>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/fs/file_run.h"
#include "services/fs/volume.h"

namespace pyrene::fs {
namespace {

constexpr uint32_t kKnownCompatible =
    EXT3_FEATURE_COMPAT_HAS_JOURNAL | EXT2_FEATURE_COMPAT_EXT_ATTR |
    EXT2_FEATURE_COMPAT_RESIZE_INODE | EXT2_FEATURE_COMPAT_DIR_INDEX |
    EXT4_FEATURE_COMPAT_ORPHAN_FILE;
constexpr uint32_t kKnownReadOnlyCompatible =
    EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
    EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_GDT_CSUM |
    EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE |
    EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
constexpr uint32_t kKnownIncompatible =
    EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_RECOVER | EXT3_FEATURE_INCOMPAT_EXTENTS |
    EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG | EXT4_FEATURE_INCOMPAT_CSUM_SEED;

constexpr uint64_t kMaxBitmapBytes = 3 << 20;  // what there is memory for
constexpr uint64_t kSpareBlocks = 16;          // for the metadata of a file
constexpr size_t kPieceBytes = 64 << 10;
constexpr uint32_t kMaxExtentBlocks = 32768;
constexpr uint32_t kFileMode = LINUX_S_IFREG | 0644;
constexpr size_t kMaxName = EXT2_NAME_LEN;

uint32_t Now() { return static_cast<uint32_t>(std::time(nullptr)); }

}  // namespace

absl::Status Volume::CheckWritable() const {
  ext2_super_block& super = *fs_->super;
  std::string why;
  if (io_.read_only()) {
    why = "it is write protected";
  } else if (!journal_status_.ok()) {
    why = std::string(journal_status_.message());
  } else if ((super.s_feature_compat & ~kKnownCompatible) != 0 ||
             (super.s_feature_ro_compat & ~kKnownReadOnlyCompatible) != 0 ||
             (super.s_feature_incompat & ~kKnownIncompatible) != 0) {
    why = "it has features that are only read here";
  } else if ((super.s_state & EXT2_ERROR_FS) != 0 || (super.s_state & EXT2_VALID_FS) == 0 ||
             journal_->has_error()) {
    why = absl::StrCat("it has errors; on a Linux machine: e2fsck -f /dev/", device_);
  } else if (super.s_last_orphan != 0) {
    why = absl::StrCat(
        "it has files that were removed while they were open; on a Linux machine: "
        "e2fsck -p /dev/",
        device_);
  } else if ((ext2fs_blocks_count(&super) + super.s_inodes_count) / 8 > kMaxBitmapBytes) {
    why = "it is too large to be written here";
  }
  if (why.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(device_, ": Read-only file system (", why, ")"));
}

absl::Status Volume::MakeWritable() {
  if (stale_) return absl::UnavailableError(absl::StrCat(device_, " is to be mounted again"));
  if (writable_) return absl::OkStatus();
  absl::Status status = CheckWritable();
  if (status.ok()) status = Open(EXT2_FLAG_RW);
  if (!status.ok()) return status;
  fs_->default_bitmap_type = EXT2FS_BMAP64_BITARRAY;
  fs_->priv_data = this;
  ext2fs_set_block_alloc_stats_callback(
      fs_,
      [](ext2_filsys fs, blk64_t block, int in_use) {
        static_cast<Volume*>(fs->priv_data)->TakeStats(block, in_use);
      },
      nullptr);
  io_.Begin(kMaxReads + 4 * fs_->group_desc_count);
  errcode_t error = ext2fs_check_desc(fs_);
  if (error == 0) error = ext2fs_read_bitmaps(fs_);
  if (error != 0) {
    stale_ = true;
    return Explain(error, "");
  }
  io_.Collect(std::min(kMaxChanged, journal_->room()));
  writable_ = true;
  return absl::OkStatus();
}

// Not of ranges, of which libext2fs tells wrongly: Allocate knows them.
void Volume::TakeStats(blk64_t block, int in_use) {
  groups_.insert(ext2fs_group_of_blk2(fs_, block));
  if (in_use < 0) io_.Forget(block);
}

absl::Status Volume::Change(absl::string_view path, const Work& work) {
  absl::Status status = MakeWritable();
  if (status.ok()) status = Commit();
  if (!status.ok()) return status;
  io_.Begin(kMaxChangeReads);
  found_ = {};
  status = work();
  if (!status.ok()) stale_ = stale_ || !io_.collected().empty() || !groups_.empty();
  if (status.ok()) status = Commit();
  found_ = {};
  if (status.ok() || absl::IsUnavailable(status) || absl::StartsWith(status.message(), path))
    return status;
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

absl::Status Volume::Try(errcode_t error, absl::string_view path) const {
  return error == 0 ? absl::OkStatus() : Explain(error, path);
}

absl::Status Volume::Commit() {
  if (io_.collected().empty() && groups_.empty()) return absl::OkStatus();
  absl::Status status;
  io_.Begin(kMaxReads);
  for (auto group = groups_.begin(); group != groups_.end() && status.ok(); ++group)
    status = CollectGroup(*group);
  if (status.ok()) status = CollectSuper();
  if (status.ok()) status = journal_->Commit(io_.collected());
  io_.Drop();
  groups_.clear();
  pending_ = 0;
  stale_ = stale_ || !status.ok();
  return status;
}

absl::Status Volume::Sync() {
  if (stale_) return absl::UnavailableError(absl::StrCat(device_, " is to be mounted again"));
  return Commit();
}

absl::Status Volume::CollectGroup(dgrp_t group) {
  const size_t block_bytes = fs_->blocksize;
  const ext2_super_block& super = *fs_->super;
  const auto whole = [&](size_t bits) {
    return bits % 8 == 0 && bits / 8 <= block_bytes && group < fs_->group_desc_count;
  };
  if (!whole(super.s_blocks_per_group) || !whole(super.s_inodes_per_group))
    return Explain(EXT2_ET_CORRUPT_SUPERBLOCK, "");
  const bool unused_marked = ext2fs_has_group_desc_csum(fs_) != 0;
  std::vector<uint8_t> bits(block_bytes);
  absl::Status status;
  if (!unused_marked || ext2fs_bg_flags_test(fs_, group, EXT2_BG_BLOCK_UNINIT) == 0) {
    std::fill(bits.begin(), bits.end(), 0xff);
    const blk64_t first = ext2fs_group_first_block2(fs_, group);
    const blk64_t behind = ext2fs_group_last_block2(fs_, group) + 1;
    const size_t count = super.s_blocks_per_group;
    status = Try(ext2fs_get_block_bitmap_range2(fs_->block_map, first, count, bits.data()), "");
    for (size_t i = behind - first; i < count; ++i) bits[i / 8] |= 1U << i % 8;
    if (status.ok())
      status = Try(ext2fs_block_bitmap_csum_set(fs_, group, reinterpret_cast<char*>(bits.data()),
                                                static_cast<int>(count / 8)),
                   "");
    if (status.ok()) status = io_.WriteBlock(ext2fs_block_bitmap_loc(fs_, group), bits);
  }
  if (status.ok() &&
      (!unused_marked || ext2fs_bg_flags_test(fs_, group, EXT2_BG_INODE_UNINIT) == 0)) {
    std::fill(bits.begin(), bits.end(), 0xff);
    const size_t count = super.s_inodes_per_group;
    status = Try(ext2fs_get_inode_bitmap_range2(fs_->inode_map, uint64_t{group} * count + 1, count,
                                                bits.data()),
                 "");
    if (status.ok())
      status = Try(ext2fs_inode_bitmap_csum_set(fs_, group, reinterpret_cast<char*>(bits.data()),
                                                static_cast<int>(count / 8)),
                   "");
    if (status.ok()) status = io_.WriteBlock(ext2fs_inode_bitmap_loc(fs_, group), bits);
  }
  if (!status.ok()) return status;
  ext2fs_group_desc_csum_set(fs_, group);
  const dgrp_t index = group / EXT2_DESC_PER_BLOCK(fs_->super);
  const auto* const descriptors = reinterpret_cast<const uint8_t*>(fs_->group_desc);
  return io_.WriteBlock(ext2fs_descriptor_block_loc2(fs_, super.s_first_data_block, index),
                        {descriptors + index * block_bytes, block_bytes});
}

absl::Status Volume::CollectSuper() {
  constexpr size_t kAt = 1024;
  const size_t block_bytes = fs_->blocksize;
  std::vector<uint8_t> block(block_bytes);
  absl::Status status = io_.ReadBlock(kAt / block_bytes, absl::MakeSpan(block));
  if (!status.ok()) return status;
  fs_->super->s_wtime = Now();
  status = Try(ext2fs_superblock_csum_set(fs_, fs_->super), "");
  if (!status.ok()) return status;
  std::memcpy(block.data() + kAt % block_bytes, fs_->super, sizeof(*fs_->super));
  return io_.WriteBlock(kAt / block_bytes, block);
}

absl::StatusOr<Volume::Name> Volume::FindName(absl::string_view path) {
  absl::string_view parent = path;
  while (absl::ConsumeSuffix(&parent, "/")) {
  }
  const size_t slash = parent.rfind('/');
  Name name;
  name.name = std::string(slash == absl::string_view::npos ? parent : parent.substr(slash + 1));
  parent = slash == absl::string_view::npos ? "" : parent.substr(0, slash);
  if (name.name.empty() || name.name == "." || name.name == "..")
    return absl::InvalidArgumentError(absl::StrCat(path, ": Invalid argument"));
  if (name.name.size() > kMaxName)
    return absl::InvalidArgumentError(absl::StrCat(path, ": File name too long"));
  ext2_inode inode;
  absl::Status status = Find(parent, name.directory, inode);
  if (!status.ok()) {
    if (absl::IsNotFound(status)) return Explain(EXT2_ET_FILE_NOT_FOUND, path);
    return status;
  }
  if (!LINUX_S_ISDIR(inode.i_mode)) return Explain(EXT2_ET_NO_DIRECTORY, path);
  const errcode_t error = ext2fs_lookup(fs_, name.directory, name.name.data(),
                                        static_cast<int>(name.name.size()), nullptr, &name.number);
  if (error == EXT2_ET_FILE_NOT_FOUND) {
    name.number = 0;
  } else if (error != 0) {
    return Explain(error, path);
  } else if (name.number < EXT2_FIRST_INODE(fs_->super)) {
    // The file system's own, which no directory but the root's own entries names.
    return absl::DataLossError(absl::StrCat(path, ": damaged (it is no file)"));
  }
  return name;
}

errcode_t Volume::Link(const Name& name, ext2_ino_t number, int kind) {
  errcode_t error = ext2fs_link(fs_, name.directory, name.name.c_str(), number, kind);
  if (error != EXT2_ET_DIR_NO_SPACE) return error;
  error = ext2fs_expand_dir(fs_, name.directory);
  return error != 0 ? error : ext2fs_link(fs_, name.directory, name.name.c_str(), number, kind);
}

errcode_t Volume::DropLink(ext2_ino_t number) {
  ext2_inode inode;
  errcode_t error = ext2fs_read_inode(fs_, number, &inode);
  if (error != 0) return error;
  const bool is_directory = LINUX_S_ISDIR(inode.i_mode);
  if (!is_directory && inode.i_links_count > 1) {
    --inode.i_links_count;
    inode.i_ctime = Now();
    return ext2fs_write_inode(fs_, number, &inode);
  }
  if (ext2fs_file_acl_block(fs_, &inode) != 0) {
    error = ext2fs_free_ext_attr(fs_, number, nullptr);
    if (error == 0) error = ext2fs_read_inode(fs_, number, &inode);
    if (error != 0) return error;
  }
  if (ext2fs_inode_has_valid_blocks2(fs_, &inode) != 0) {
    error = ext2fs_punch(fs_, number, &inode, nullptr, 0, ~0ULL);
    if (error != 0) return error;
  }
  inode.i_links_count = 0;
  inode.i_dtime = Now();
  error = ext2fs_write_inode(fs_, number, &inode);
  if (error != 0) return error;
  ext2fs_inode_alloc_stats2(fs_, number, -1, is_directory ? 1 : 0);
  groups_.insert(ext2fs_group_of_ino(fs_, number));
  return 0;
}

bool Volume::HasRoom(uint64_t bytes) const {
  const uint64_t free = ext2fs_free_blocks_count(fs_->super);
  const uint64_t kept = ext2fs_r_blocks_count(fs_->super) + kSpareBlocks;
  return free > kept && bytes / fs_->blocksize < free - kept;
}

absl::StatusOr<FileInfo> Volume::StartFile(uint64_t bytes) {
  absl::StatusOr<Name> name = FindName(kPartFile);
  absl::Status status = name.status();
  if (status.ok() && name->number != 0) status = Remove(kPartFile, name->number);
  FileInfo file;
  if (!status.ok()) return status;
  status = Change(kPartFile, [&]() -> absl::Status {
    if (!HasRoom(bytes)) return Explain(EXT2_ET_BLOCK_ALLOC_FAIL, kPartFile);
    ext2_ino_t number = 0;
    errcode_t error = ext2fs_new_inode(fs_, EXT2_ROOT_INO, kFileMode, nullptr, &number);
    if (error == 0) error = Link(*name, number, EXT2_FT_REG_FILE);
    if (error != 0) return Explain(error, kPartFile);
    ext2fs_inode_alloc_stats2(fs_, number, +1, 0);
    groups_.insert(ext2fs_group_of_ino(fs_, number));
    ext2_inode inode = {};
    inode.i_mode = kFileMode;
    inode.i_links_count = 1;
    inode.i_atime = inode.i_ctime = inode.i_mtime = Now();
    if (ext2fs_has_feature_extents(fs_->super)) {
      inode.i_flags = EXT4_EXTENTS_FL;
      ext2_extent_handle_t handle;
      error = ext2fs_extent_open2(fs_, number, &inode, &handle);
      if (error == 0) ext2fs_extent_free(handle);
    }
    if (error == 0) error = ext2fs_write_new_inode(fs_, number, &inode);
    file = {kPartFile, 0, false, true, 0, number};
    return Try(error, kPartFile);
  });
  if (!status.ok()) return status;
  return file;
}

absl::Status Volume::WriteBlocks(uint64_t physical, uint64_t bytes, const uint8_t* from) {
  std::vector<uint8_t> piece;
  const uint64_t block_bytes = fs_->blocksize;
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t part = std::min<uint64_t>(bytes - done, kPieceBytes);
    piece.assign((part + block_bytes - 1) / block_bytes * block_bytes, 0);
    if (from != nullptr) std::memcpy(piece.data(), from + done, part);
    absl::Status status = io_.WriteData(physical * block_bytes + done, piece);
    if (!status.ok()) return status;
    done += part;
  }
  return absl::OkStatus();
}

absl::Status Volume::Allocate(ext2_ino_t number, ext2_inode& inode, uint64_t first, uint64_t bytes,
                              const uint8_t* from, absl::string_view path) {
  const uint64_t block_bytes = fs_->blocksize;
  const uint64_t blocks = (bytes + block_bytes - 1) / block_bytes;
  if (!HasRoom(bytes)) return Explain(EXT2_ET_BLOCK_ALLOC_FAIL, path);
  absl::Status status = Try(
      ext2fs_fallocate(fs_, EXT2_FALLOCATE_FORCE_INIT, number, &inode, ~0ULL, first, blocks), path);
  for (uint64_t done = 0; done < blocks && status.ok();) {
    Run run;
    status = Try(MapRun(fs_, number, inode, first + done, run), path);
    if (!status.ok()) break;
    const uint64_t count = std::min(run.blocks, blocks - done);
    const uint64_t end = ext2fs_blocks_count(fs_->super);
    if (run.physical == 0 || run.physical >= end || count > end - run.physical)
      return Explain(EXT2_ET_EXTENT_NOT_FOUND, path);
    for (uint64_t i = 0; i < count; ++i) {
      groups_.insert(ext2fs_group_of_blk2(fs_, run.physical + i));
      io_.Forget(run.physical + i);  // libext2fs may have written zeros
    }
    const uint64_t begin = done * block_bytes;
    status = WriteBlocks(run.physical, std::min(count * block_bytes, bytes - begin),
                         from == nullptr ? nullptr : from + begin);
    done += count;
  }
  return status;
}

absl::StatusOr<uint64_t> Volume::Append(uint32_t number, uint64_t offset, uint64_t bytes,
                                        const uint8_t* from) {
  absl::Status status = MakeWritable();
  if (!status.ok()) return status;
  const absl::StatusOr<Name> name = FindName(kPartFile);
  if (!name.ok()) return name.status();
  if (name->number == 0 || name->number != number)
    return Explain(EXT2_ET_FILE_NOT_FOUND, kPartFile);
  ext2_inode inode;
  status = Try(ext2fs_read_inode(fs_, number, &inode), kPartFile);
  if (!status.ok()) return status;
  const uint64_t size = EXT2_I_SIZE(&inode);
  const uint64_t block_bytes = fs_->blocksize;
  if (size != offset || bytes == 0) return size;
  if (!LINUX_S_ISREG(inode.i_mode) || size % block_bytes != 0)
    return absl::InvalidArgumentError(absl::StrCat(kPartFile, ": Invalid argument"));
  if (!HasRoom(bytes)) return Explain(EXT2_ET_BLOCK_ALLOC_FAIL, kPartFile);
  found_ = {};
  stale_ = true;  // unless all of it succeeds
  status = Allocate(number, inode, size / block_bytes, bytes, from, kPartFile);
  inode.i_mtime = inode.i_ctime = Now();
  if (status.ok())
    status =
        Try(ext2fs_inode_size_set(
                fs_, &inode, static_cast<ext2_off64_t>(size) + static_cast<ext2_off64_t>(bytes)),
            kPartFile);
  if (status.ok()) status = Try(ext2fs_write_inode(fs_, number, &inode), kPartFile);
  if (!status.ok()) return status;
  stale_ = false;
  pending_ += bytes;
  // The rest of what may be collected is for the groups' bitmaps.
  if (pending_ >= kMaxPending || io_.collected().size() + 2 * groups_.size() > kMaxChanged / 4)
    status = Commit();
  if (!status.ok()) return status;
  return size + bytes;
}

absl::Status Volume::Rename(absl::string_view from, absl::string_view to, uint32_t number) {
  const absl::StatusOr<Name> old_name = FindName(from);
  if (!old_name.ok()) return old_name.status();
  const absl::StatusOr<Name> new_name = FindName(to);
  if (!new_name.ok()) return new_name.status();
  if (new_name->number == number && old_name->number != number) return absl::OkStatus();
  if (old_name->number == 0 || old_name->number != number)
    return Explain(EXT2_ET_FILE_NOT_FOUND, from);
  if (new_name->number == number) return absl::OkStatus();  // two names of one file
  return Change(to, [&]() -> absl::Status {
    ext2_inode inode;
    absl::Status status = Try(ext2fs_read_inode(fs_, number, &inode), from);
    if (!status.ok()) return status;
    if (!LINUX_S_ISREG(inode.i_mode))
      return absl::FailedPreconditionError(absl::StrCat(from, ": Not a regular file"));
    if (new_name->number != 0) {
      ext2_inode former;
      status = Try(ext2fs_read_inode(fs_, new_name->number, &former), to);
      if (!status.ok()) return status;
      if (LINUX_S_ISDIR(former.i_mode))
        return absl::FailedPreconditionError(absl::StrCat(to, ": Is a directory"));
      status = Try(
          ext2fs_unlink(fs_, new_name->directory, new_name->name.c_str(), new_name->number, 0), to);
      if (status.ok()) status = Try(DropLink(new_name->number), to);
    }
    if (status.ok()) status = Try(Link(*new_name, number, EXT2_FT_REG_FILE), to);
    if (status.ok())
      status = Try(ext2fs_unlink(fs_, old_name->directory, old_name->name.c_str(), number, 0), to);
    inode.i_ctime = Now();
    return status.ok() ? Try(ext2fs_write_inode(fs_, number, &inode), to) : status;
  });
}

absl::Status Volume::Remove(absl::string_view path, uint32_t number) {
  const absl::StatusOr<Name> name = FindName(path);
  if (!name.ok()) return name.status();
  if (name->number == 0 || name->number != number) return absl::OkStatus();
  return Change(path, [&]() -> absl::Status {
    ext2_inode inode;
    absl::Status status = Try(ext2fs_read_inode(fs_, number, &inode), path);
    if (!status.ok()) return status;
    const bool is_directory = LINUX_S_ISDIR(inode.i_mode);
    if (is_directory) {
      const absl::StatusOr<Listing> listing = List(path, 0, 0);
      if (!listing.ok()) return listing.status();
      if (listing->more)
        return absl::FailedPreconditionError(absl::StrCat(path, ": Directory not empty"));
    }
    status = Try(ext2fs_unlink(fs_, name->directory, name->name.c_str(), number, 0), path);
    if (status.ok()) status = Try(DropLink(number), path);
    if (!status.ok() || !is_directory) return status;
    ext2_inode parent;
    status = Try(ext2fs_read_inode(fs_, name->directory, &parent), path);
    // 1: more than can be counted.
    if (!status.ok() || parent.i_links_count <= 2) return status;
    --parent.i_links_count;
    return Try(ext2fs_write_inode(fs_, name->directory, &parent), path);
  });
}

absl::Status Volume::MakeDirectory(absl::string_view path) {
  const absl::StatusOr<Name> name = FindName(path);
  if (!name.ok()) return name.status();
  if (name->number != 0) {
    const absl::StatusOr<FileInfo> file = Look(path);
    if (!file.ok()) return file.status();
    return file->is_directory ? absl::OkStatus() : Explain(EXT2_ET_DIR_EXISTS, path);
  }
  return Change(path, [&]() -> absl::Status {
    errcode_t error = ext2fs_mkdir(fs_, name->directory, 0, name->name.c_str());
    if (error == EXT2_ET_DIR_NO_SPACE) {
      error = ext2fs_expand_dir(fs_, name->directory);
      if (error == 0) error = ext2fs_mkdir(fs_, name->directory, 0, name->name.c_str());
    }
    ext2_ino_t number = 0;
    if (error == 0)
      error = ext2fs_lookup(fs_, name->directory, name->name.data(),
                            static_cast<int>(name->name.size()), nullptr, &number);
    if (error == 0) groups_.insert(ext2fs_group_of_ino(fs_, number));
    return Try(error, path);
  });
}

// Makes the first `blocks` of the extent at `block`, which are zeros on the disk now, written ones.
errcode_t Volume::MarkWritten(ext2_ino_t number, ext2_inode& inode, uint64_t block,
                              uint32_t blocks) {
  ext2_extent_handle_t handle;
  errcode_t error = ext2fs_extent_open2(fs_, number, &inode, &handle);
  if (error != 0) return error;
  ext2fs_extent extent;
  ext2fs_extent before;
  error = ext2fs_extent_goto(handle, block);
  if (error == 0) error = ext2fs_extent_get(handle, EXT2_EXTENT_CURRENT, &extent);
  if (error == 0 && (extent.e_lblk != block || extent.e_len < blocks))
    error = EXT2_ET_EXTENT_INVALID_LENGTH;
  ext2fs_extent rest = extent;
  rest.e_lblk += blocks;
  rest.e_pblk += blocks;
  rest.e_len -= blocks;
  if (error == 0 && ext2fs_extent_get(handle, EXT2_EXTENT_PREV_LEAF, &before) == 0) {
    const bool joins = (before.e_flags & EXT2_EXTENT_FLAGS_UNINIT) == 0 &&
                       before.e_lblk + before.e_len == extent.e_lblk &&
                       before.e_pblk + before.e_len == extent.e_pblk &&
                       before.e_len + blocks <= kMaxExtentBlocks;
    if (joins) {
      before.e_len += blocks;
      error = ext2fs_extent_replace(handle, 0, &before);
    }
    if (error == 0) error = ext2fs_extent_get(handle, EXT2_EXTENT_NEXT_LEAF, &before);
    if (error == 0 && joins) {
      error = rest.e_len == 0 ? ext2fs_extent_delete(handle, 0)
                              : ext2fs_extent_replace(handle, 0, &rest);
      if (error == 0) error = ext2fs_extent_fix_parents(handle);
      ext2fs_extent_free(handle);
      return error == EXT2_ET_NO_CURRENT_NODE ? 0 : error;
    }
  } else if (error == 0) {
    error = ext2fs_extent_goto(handle, block);
  }
  extent.e_len = blocks;
  extent.e_flags &= ~static_cast<__u32>(EXT2_EXTENT_FLAGS_UNINIT);
  if (error == 0 && rest.e_len == 0) {
    error = ext2fs_extent_replace(handle, 0, &extent);
  } else if (error == 0) {
    error = ext2fs_extent_replace(handle, 0, &rest);
    if (error == 0) error = ext2fs_extent_insert(handle, 0, &extent);
    if (error == 0) error = ext2fs_extent_fix_parents(handle);
  }
  ext2fs_extent_free(handle);
  return error;
}

absl::StatusOr<uint64_t> Volume::FillHoles(absl::string_view path, uint64_t offset) {
  ext2_ino_t number;
  ext2_inode inode;
  if (absl::Status status = FindRegular(path, number, inode); !status.ok()) return status;
  const uint64_t bytes = EXT2_I_SIZE(&inode);
  const uint64_t block_bytes = fs_->blocksize;
  const uint64_t end = (bytes + block_bytes - 1) / block_bytes;
  if (offset >= bytes) return bytes;
  uint64_t block = offset / block_bytes;
  Run run;
  // The budget is that of a change; a file without extents is looked through in several calls.
  for (unsigned looked = 0;; ++looked) {
    if (const errcode_t error = MapRun(fs_, number, inode, block, run); error != 0)
      return Explain(error, path);
    if (run.physical == 0) break;
    block += run.blocks;
    if (block >= end) return bytes;
    if (looked == kMaxReads / 32) return block * block_bytes;
  }
  uint64_t count = 1;
  for (Run next; run.unwritten == 0 && count < std::min(kFillBlocks, end - block); ++count) {
    if (MapRun(fs_, number, inode, block + count, next) != 0 || next.physical != 0 ||
        next.unwritten != 0)
      break;
  }
  absl::Status status = Change(path, [&]() -> absl::Status {
    if (run.unwritten != 0) {
      // From its extent's begin on: what lies before `block` was not written either.
      ext2_extent_handle_t handle;
      errcode_t error = ext2fs_extent_open2(fs_, number, &inode, &handle);
      if (error != 0) return Explain(error, path);
      ext2fs_extent extent;
      error = ext2fs_extent_goto(handle, block);
      if (error == 0) error = ext2fs_extent_get(handle, EXT2_EXTENT_CURRENT, &extent);
      ext2fs_extent_free(handle);
      if (error != 0) return Explain(error, path);
      block = extent.e_lblk;
      count = std::min<uint64_t>(extent.e_len, kFillBlocks);
      const uint64_t blocks = ext2fs_blocks_count(fs_->super);
      if (extent.e_pblk >= blocks || count > blocks - extent.e_pblk)
        return Explain(EXT2_ET_EXTENT_INVALID_LENGTH, path);
      absl::Status written = WriteBlocks(extent.e_pblk, count * block_bytes, nullptr);
      if (!written.ok()) return written;
      return Try(MarkWritten(number, inode, block, static_cast<uint32_t>(count)), path);
    }
    absl::Status filled = Allocate(number, inode, block, count * block_bytes, nullptr, path);
    return filled.ok() ? Try(ext2fs_write_inode(fs_, number, &inode), path) : filled;
  });
  if (!status.ok()) return status;
  return std::min(bytes, (block + count) * block_bytes);
}

}  // namespace pyrene::fs
