// SPDX-License-Identifier: Apache-2.0
#include "services/fs/volume.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/fs/file_run.h"

namespace pyrene::fs {
namespace {

constexpr uint64_t kSuperblockAt = 1024;
constexpr uint64_t kMaxMountReads = 4096;
constexpr unsigned kMaxRunReads = 64;
constexpr uint64_t kMaxFileBlocks = uint64_t{1} << 32;  // logical blocks have 32 bits

// Relative to the root; libext2fs goes nowhere with "".
std::string Relative(absl::string_view path) {
  while (absl::ConsumePrefix(&path, "/")) {
  }
  while (absl::ConsumeSuffix(&path, "/")) {
  }
  return path.empty() ? "." : std::string(path);
}

absl::string_view LastPart(absl::string_view path) {
  while (absl::ConsumeSuffix(&path, "/")) {
  }
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

// What changes when a file's content does, or another file has its name.
uint64_t Version(ext2_ino_t number, const ext2_inode& inode) {
  uint64_t version = number;
  for (const uint64_t part : {uint64_t{inode.i_generation}, uint64_t{inode.i_ctime},
                              uint64_t{inode.i_mtime}, uint64_t{EXT2_I_SIZE(&inode)}})
    version = (version ^ part) * 0x9e3779b97f4a7c15;
  return version;
}

FileInfo Describe(absl::string_view name, ext2_ino_t number, const ext2_inode& inode) {
  const bool is_directory = LINUX_S_ISDIR(inode.i_mode);
  return {std::string(name),      is_directory ? 0 : EXT2_I_SIZE(&inode),
          is_directory,           static_cast<bool>(LINUX_S_ISREG(inode.i_mode)),
          Version(number, inode), number};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Volume>> Volume::Mount(BlockSource& source, uint64_t first,
                                                      uint64_t sectors, std::string device,
                                                      Replay replay) {
  initialize_ext2_error_table();
  std::unique_ptr<Volume> volume(new Volume(source, first, sectors, std::move(device)));
  // Another superblock may come from the journal.
  for (bool again = true; again;) {
    absl::Status status = volume->CheckSuperblock(sectors);
    if (status.ok()) status = volume->Open(0);
    if (!status.ok()) return status;
    const absl::StatusOr<bool> replayed = volume->OpenJournal(replay);
    if (!replayed.ok()) return replayed.status();
    again = *replayed;
    volume->replayed_ = volume->replayed_ || again;
  }
  volume->block_.resize(volume->fs_->blocksize);
  return volume;
}

absl::Status Volume::Open(int flags) {
  io_.Drop();
  io_.Begin(kMaxMountReads);
  ext2_filsys opened = nullptr;
  const errcode_t error =
      ext2fs_open2(device_.c_str(), nullptr, EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP | flags, 0, 0,
                   io_.Manager(), &opened);
  if (error != 0) return Explain(error, "");
  if (fs_ != nullptr) ext2fs_free(fs_);
  fs_ = opened;
  return absl::OkStatus();
}

absl::StatusOr<bool> Volume::OpenJournal(Replay replay) {
  journal_.reset();
  auto journal = Journal::Open(fs_, io_);
  journal_status_ = journal.status();
  const bool recover = ext2fs_has_feature_journal_needs_recovery(fs_->super);
  if (journal.ok() && (recover || (*journal)->empty())) journal_ = std::move(*journal);
  if (journal.ok() && journal_ == nullptr)
    journal_status_ = absl::DataLossError("its journal has what is not to be replayed");
  if (!recover || (journal_ != nullptr && journal_->empty())) return false;
  absl::Status status = journal_status_;
  if (absl::IsUnavailable(status)) return status;
  const std::string command = absl::StrCat("on a Linux machine: e2fsck -p /dev/", device_);
  if (status.ok()) status = journal_->Scan();
  if (status.ok() && io_.read_only())
    status =
        absl::FailedPreconditionError("its journal can not be replayed: it is write protected");
  if (status.ok() && replay == Replay::kOwn && !journal_->ours()) {
    return absl::AbortedError(
        absl::StrCat(device_, " has a journal that was not replayed; ", command));
  }
  if (status.ok()) status = journal_->Replay();
  if (absl::IsUnavailable(status)) return status;
  if (!status.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(device_, ": ", status.message(), "; ", command));
  }
  return true;
}

Volume::~Volume() {
  if (fs_ != nullptr) ext2fs_free(fs_);
}

// What decides how much libext2fs allocates, and what it would take although it should not.
absl::Status Volume::CheckSuperblock(uint64_t sectors) {
  alignas(ext2_super_block) std::array<uint8_t, sizeof(ext2_super_block)> bytes;
  if (sectors < 2 * (kSuperblockAt + bytes.size()) / kSectorBytes)
    return absl::NotFoundError(absl::StrCat(device_, " is too small for a file system"));
  if (absl::Status status = io_.ReadData(kSuperblockAt, absl::MakeSpan(bytes)); !status.ok())
    return status;
  ext2_super_block super;
  std::memcpy(&super, bytes.data(), sizeof(super));
  if (super.s_magic != EXT2_SUPER_MAGIC)
    return absl::NotFoundError(absl::StrCat(device_, " has no ext4 file system"));
  const auto damaged = [this](absl::string_view why) {
    return absl::DataLossError(absl::StrCat(device_, " is damaged: ", why,
                                            "; on a Linux machine: e2fsck -f /dev/", device_));
  };
  if (super.s_log_block_size > 6) return damaged("its block size is impossible");
  const uint64_t block_bytes = uint64_t{EXT2_MIN_BLOCK_SIZE} << super.s_log_block_size;
  if (block_bytes > Ext2Io::kMaxBlockBytes) {
    return absl::UnimplementedError(
        absl::StrCat(device_, " has blocks of more than ", Ext2Io::kMaxBlockBytes, " bytes"));
  }
  const uint64_t blocks = ext2fs_blocks_count(&super);
  if (blocks == 0 || blocks > sectors * kSectorBytes / block_bytes)
    return damaged("it is larger than its partition");
  if (super.s_blocks_per_group == 0) return damaged("its groups are empty");
  const uint64_t groups = (blocks + super.s_blocks_per_group - 1) / super.s_blocks_per_group;
  const uint64_t descriptor = ext2fs_has_feature_64bit(&super) ? super.s_desc_size : 32;
  if (groups * std::max<uint64_t>(descriptor, 32) > kMaxDescriptorBytes)
    return absl::UnimplementedError(absl::StrCat(device_, " has too many groups of blocks"));
  return absl::OkStatus();
}

absl::Status Volume::Explain(errcode_t error, absl::string_view path) const {
  const absl::string_view where = path.empty() ? absl::string_view(device_) : path;
  if (absl::IsUnavailable(io_.status())) return io_.status();
  if (!io_.status().ok()) {
    return absl::Status(io_.status().code(), absl::StrCat(where, ": ", io_.status().message()));
  }
  switch (error) {
    case EXT2_ET_FILE_NOT_FOUND:
      return absl::NotFoundError(absl::StrCat(where, ": No such file or directory"));
    case EXT2_ET_NO_DIRECTORY:
      return absl::NotFoundError(absl::StrCat(where, ": Not a directory"));
    case EXT2_ET_SYMLINK_LOOP:
      return absl::NotFoundError(absl::StrCat(where, ": Too many levels of symbolic links"));
    case EXT2_ET_BLOCK_ALLOC_FAIL:
    case EXT2_ET_INODE_ALLOC_FAIL:
      return absl::ResourceExhaustedError(absl::StrCat(where, ": No space left on device"));
    case EXT2_ET_DIR_EXISTS:
      return absl::AlreadyExistsError(absl::StrCat(where, ": File exists"));
    case EXT2_ET_NO_MEMORY:
      return absl::ResourceExhaustedError(absl::StrCat(where, ": no memory for it"));
    case EXT2_ET_UNSUPP_FEATURE:
    case EXT2_ET_RO_UNSUPP_FEATURE:
      return absl::UnimplementedError(
          absl::StrCat(where, ": the file system has unknown features"));
    default:
      return absl::DataLossError(absl::StrCat(where, ": damaged (", error_message(error), ")"));
  }
}

absl::Status Volume::Find(absl::string_view path, ext2_ino_t& number, ext2_inode& inode) {
  io_.Begin(kMaxReads);
  if (found_.number != 0 && path == found_.path) {
    number = found_.number;
    inode = found_.inode;
    return absl::OkStatus();
  }
  errcode_t error =
      ext2fs_namei_follow(fs_, EXT2_ROOT_INO, EXT2_ROOT_INO, Relative(path).c_str(), &number);
  if (error == 0) error = ext2fs_read_inode(fs_, number, &inode);
  if (error != 0) return Explain(error, path);
  found_ = {std::string(path), number, inode};
  return absl::OkStatus();
}

absl::StatusOr<FileInfo> Volume::Stat(absl::string_view path) {
  ext2_ino_t number;
  ext2_inode inode;
  if (absl::Status status = Find(path, number, inode); !status.ok()) return status;
  return Describe(LastPart(path), number, inode);
}

absl::StatusOr<FileInfo> Volume::Look(absl::string_view path) {
  const absl::StatusOr<Name> name = FindName(path);
  if (!name.ok()) return name.status();
  if (name->number == 0) return Explain(EXT2_ET_FILE_NOT_FOUND, path);
  ext2_inode inode;
  const errcode_t error = ext2fs_read_inode(fs_, name->number, &inode);
  if (error != 0) return Explain(error, path);
  return Describe(LastPart(path), name->number, inode);
}

absl::StatusOr<Listing> Volume::List(absl::string_view path, uint32_t first, size_t most) {
  ext2_ino_t number;
  ext2_inode inode;
  if (absl::Status status = Find(path, number, inode); !status.ok()) return status;
  if (!LINUX_S_ISDIR(inode.i_mode))
    return absl::FailedPreconditionError(absl::StrCat(path, ": Not a directory"));
  struct Entry {
    std::string name;
    ext2_ino_t number;
  };
  struct Walk {
    uint32_t skip;
    size_t most;
    std::vector<Entry> entries;
    bool more = false;
  } walk{first, most, {}};
  const auto visit = [](ext2_dir_entry* entry, int, int, char*, void* context) -> int {
    Walk& to = *static_cast<Walk*>(context);
    const absl::string_view name(entry->name, ext2fs_dirent_name_len(entry));
    if (name == "." || name == ".." || name.empty()) return 0;
    if (to.skip > 0) {
      --to.skip;
      return 0;
    }
    if (to.entries.size() == to.most) {
      to.more = true;
      return DIRENT_ABORT;
    }
    to.entries.push_back({std::string(name), entry->inode});
    return 0;
  };
  const errcode_t error = ext2fs_dir_iterate(fs_, number, 0, nullptr, visit, &walk);
  if (error != 0) return Explain(error, path);
  Listing listing;
  for (const Entry& entry : walk.entries) {
    // Neither could be asked for, and a terminal would see two files.
    if (entry.name.find('/') != std::string::npos || entry.name.find('\0') != std::string::npos)
      return absl::DataLossError(absl::StrCat(path, ": damaged (a name with a slash or a zero)"));
    if (const errcode_t failed = ext2fs_read_inode(fs_, entry.number, &inode); failed != 0)
      return Explain(failed, absl::StrCat(path, "/", entry.name));
    listing.entries.push_back(Describe(entry.name, entry.number, inode));
  }
  listing.more = walk.more;
  if (walk.more) listing.next = first + static_cast<uint32_t>(listing.entries.size());
  return listing;
}

// Whole blocks.
absl::Status Volume::ReadBlocks(ext2_ino_t number, ext2_inode& inode, absl::string_view path,
                                uint64_t offset, absl::Span<uint8_t> to) {
  const uint64_t block_bytes = fs_->blocksize;
  while (!to.empty()) {
    const uint64_t block = offset / block_bytes;
    if (block >= kMaxFileBlocks)
      return absl::DataLossError(absl::StrCat(path, ": damaged (it is too large)"));
    Run run;
    if (const errcode_t error = MapRun(fs_, number, inode, block, run); error != 0)
      return Explain(error, path);
    const size_t wanted = to.size() / block_bytes;
    uint64_t blocks = std::min<uint64_t>(run.blocks, wanted);
    // Maps without extents tell of one block only.
    while (run.physical != 0 && blocks < wanted && run.blocks == 1) {
      Run next;
      if (MapRun(fs_, number, inode, block + blocks, next) != 0 || next.blocks != 1 ||
          next.physical != run.physical + blocks)
        break;
      ++blocks;
    }
    const absl::Span<uint8_t> part = to.first(blocks * block_bytes);
    if (run.physical == 0) {
      std::fill(part.begin(), part.end(), 0);
    } else {
      absl::Status status = run.physical < ext2fs_blocks_count(fs_->super)
                                ? io_.ReadData(run.physical * block_bytes, part)
                                : absl::OutOfRangeError("a block beyond the file system");
      if (absl::IsUnavailable(status)) return status;
      if (!status.ok()) {
        const auto code = absl::IsOutOfRange(status) ? absl::StatusCode::kDataLoss : status.code();
        return absl::Status(code, absl::StrCat(path, ": ", status.message()));
      }
    }
    offset += part.size();
    to.remove_prefix(part.size());
  }
  return absl::OkStatus();
}

absl::Status Volume::FindRegular(absl::string_view path, ext2_ino_t& number, ext2_inode& inode) {
  if (absl::Status status = Find(path, number, inode); !status.ok()) return status;
  if (LINUX_S_ISDIR(inode.i_mode))
    return absl::FailedPreconditionError(absl::StrCat(path, ": Is a directory"));
  if (!LINUX_S_ISREG(inode.i_mode))
    return absl::FailedPreconditionError(absl::StrCat(path, ": Not a regular file"));
  if ((inode.i_flags & (EXT4_ENCRYPT_FL | EXT4_INLINE_DATA_FL)) != 0) {
    return absl::UnimplementedError(
        absl::StrCat(path, ": encrypted files, and files within their inode, are not supported"));
  }
  return absl::OkStatus();
}

absl::StatusOr<FileMap> Volume::Map(absl::string_view path) {
  ext2_ino_t number;
  ext2_inode inode;
  if (absl::Status status = FindRegular(path, number, inode); !status.ok()) return status;
  FileMap map{EXT2_I_SIZE(&inode), {}};
  const uint64_t block_bytes = fs_->blocksize;
  const uint64_t block_sectors = block_bytes / kSectorBytes;
  const uint64_t sectors = (map.bytes + kSectorBytes - 1) / kSectorBytes;
  if (sectors == 0) return absl::FailedPreconditionError(absl::StrCat(path, ": is empty"));
  if (sectors > ext2fs_blocks_count(fs_->super) * block_sectors) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": has parts that were never written; copy it without holes"));
  }
  for (uint64_t done = 0; done < sectors;) {
    const uint64_t block = done / block_sectors;
    Run run;
    if (block >= kMaxFileBlocks)
      return absl::DataLossError(absl::StrCat(path, ": damaged (it is too large)"));
    // There are as many runs as blocks, where a file has no extents.
    io_.Begin(kMaxRunReads);
    if (const errcode_t error = MapRun(fs_, number, inode, block, run); error != 0)
      return Explain(error, path);
    if (run.physical == 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": has parts that were never written; copy it without holes"));
    }
    const uint64_t end = ext2fs_blocks_count(fs_->super);
    if (run.physical >= end || run.blocks > end - run.physical)
      return absl::DataLossError(absl::StrCat(path, ": a block beyond the file system"));
    const Extent extent{first_ + run.physical * block_sectors,
                        std::min(run.blocks * block_sectors, sectors - done)};
    done += extent.sectors;
    if (!map.extents.empty() &&
        map.extents.back().sector + map.extents.back().sectors == extent.sector) {
      map.extents.back().sectors += extent.sectors;
      continue;
    }
    if (map.extents.size() == kMaxExtents) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": is in more than ", kMaxExtents, " pieces; copy it"));
    }
    map.extents.push_back(extent);
  }
  return map;
}

absl::StatusOr<Volume::Part> Volume::Read(absl::string_view path, uint64_t offset,
                                          absl::Span<uint8_t> to) {
  ext2_ino_t number;
  ext2_inode inode;
  if (absl::Status status = FindRegular(path, number, inode); !status.ok()) return status;
  Part part{0, EXT2_I_SIZE(&inode), Version(number, inode)};
  if (offset >= part.file_bytes) return part;
  part.bytes = std::min<uint64_t>(to.size(), part.file_bytes - offset);
  to = to.first(part.bytes);
  const uint64_t block_bytes = fs_->blocksize;
  while (!to.empty()) {
    const uint64_t within = offset % block_bytes;
    size_t done = to.size() / block_bytes * block_bytes;
    absl::Status status;
    if (within == 0 && done > 0) {
      status = ReadBlocks(number, inode, path, offset, to.first(done));
    } else {
      done = std::min<uint64_t>(to.size(), block_bytes - within);
      status = ReadBlocks(number, inode, path, offset - within, absl::MakeSpan(block_));
      if (status.ok()) std::memcpy(to.data(), block_.data() + within, done);
    }
    if (!status.ok()) return status;
    offset += done;
    to.remove_prefix(done);
  }
  return part;
}

Usage Volume::GetUsage() const {
  const ext2_super_block& super = *fs_->super;
  const uint64_t block_kib = fs_->blocksize / 1024;
  const uint64_t free = ext2fs_free_blocks_count(fs_->super);
  const uint64_t reserved = ext2fs_r_blocks_count(fs_->super);
  // As Linux's statfs: without the tables of each group.
  const uint64_t overhead = uint64_t{fs_->group_desc_count} * (2 + fs_->inode_blocks_per_group) +
                            super.s_first_data_block;
  const uint64_t blocks = ext2fs_blocks_count(fs_->super);
  return {(blocks > overhead ? blocks - overhead : 0) * block_kib, free * block_kib,
          (free > reserved ? free - reserved : 0) * block_kib};
}

}  // namespace pyrene::fs
