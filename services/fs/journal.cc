// SPDX-License-Identifier: Apache-2.0
#include "services/fs/journal.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/kill_point.h"
#include "services/fs/file_run.h"

namespace pyrene::fs {
namespace {

// All numbers are big endian.
uint32_t Load16(const uint8_t* from) { return uint32_t{from[0]} << 8 | from[1]; }
uint32_t Load32(const uint8_t* from) { return Load16(from) << 16 | Load16(from + 2); }

void Store16(uint8_t* to, uint32_t value) {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}

void Store32(uint8_t* to, uint32_t value) {
  Store16(to, value >> 16);
  Store16(to + 2, value);
}

constexpr uint32_t kMagic = 0xc03b3998;
constexpr size_t kHeaderBytes = 12;  // magic, kind, sequence
constexpr uint32_t kDescriptor = 1;
constexpr uint32_t kCommit = 2;
constexpr uint32_t kSuperV1 = 3;
constexpr uint32_t kSuperV2 = 4;
constexpr uint32_t kRevokes = 5;

constexpr size_t kSuperBytes = 1024;
// Offsets in the journal's superblock...
constexpr size_t kBlockBytesAt = 0x0c;
constexpr size_t kLengthAt = 0x10;
constexpr size_t kFirstAt = 0x14;
constexpr size_t kSequenceAt = 0x18;
constexpr size_t kStartAt = 0x1c;
constexpr size_t kErrorAt = 0x20;
constexpr size_t kFeaturesAt = 0x28;  // incompatible ones
constexpr size_t kUuidAt = 0x30;
constexpr size_t kChecksumKindAt = 0x50;
constexpr size_t kSuperChecksumAt = 0xfc;
constexpr uint8_t kCrc32c = 4;
// ... in a commit block...
constexpr size_t kCommitChecksumAt = 0x10;
constexpr size_t kMarkAt = 0x3c;  // behind all that the format has there
constexpr char kMark[] = "Pyrene";
// ... and in the file system's.
constexpr uint64_t kFsSuperAt = 1024;
constexpr size_t kFsChecksumAt = 0x3fc;

constexpr uint32_t kEscaped = 1;
constexpr uint32_t kSameUuid = 2;
constexpr uint32_t kLastTag = 8;
constexpr size_t kUuidBytes = 16;

constexpr size_t kMaxPieces = 4096;
constexpr unsigned kSpareReads = 1024;

absl::Status Damaged(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("its journal is damaged (", why, ")"));
}

void WriteHeader(uint32_t kind, uint32_t sequence, std::vector<uint8_t>& block) {
  Store32(block.data(), kMagic);
  Store32(block.data() + 4, kind);
  Store32(block.data() + 8, sequence);
}

// Where in its block of `block_bytes` the file system's superblock begins.
size_t WithinBlock(uint32_t block_bytes) { return kFsSuperAt % block_bytes; }

void SetRecover(bool on, uint8_t* bytes) {
  ext2_super_block super;
  static_assert(sizeof(super) == 1024);
  std::memcpy(&super, bytes, sizeof(super));
  if (on) {
    ext2fs_set_feature_journal_needs_recovery(&super);
  } else {
    ext2fs_clear_feature_journal_needs_recovery(&super);
  }
  std::memcpy(bytes, &super, sizeof(super));
  if (!ext2fs_has_feature_metadata_csum(&super)) return;
  const uint32_t checksum = ext2fs_crc32c_le(~0U, bytes, kFsChecksumAt);
  std::memcpy(bytes + kFsChecksumAt, &checksum, sizeof(checksum));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(ext2_filsys fs, Ext2Io& io) {
  if (!ext2fs_has_feature_journal(fs->super)) return absl::NotFoundError("it has no journal");
  if (fs->super->s_journal_inum != EXT2_JOURNAL_INO)
    return absl::UnimplementedError("its journal is not in the usual place");
  std::unique_ptr<Journal> journal(new Journal(io, fs->blocksize, ext2fs_blocks_count(fs->super)));
  absl::Status status = journal->FindPieces(fs);
  if (status.ok()) status = journal->ReadSuper();
  if (!status.ok()) return status;
  return journal;
}

absl::Status Journal::FindPieces(ext2_filsys fs) {
  ext2_inode inode;
  io_.Begin(kSpareReads);
  if (ext2fs_read_inode(fs, EXT2_JOURNAL_INO, &inode) != 0 || !LINUX_S_ISREG(inode.i_mode))
    return io_.status().ok() ? Damaged("no file") : io_.status();
  const uint64_t blocks = EXT2_I_SIZE(&inode) / block_bytes_;
  if (blocks == 0 || blocks > fs_blocks_) return Damaged("its size");
  io_.Begin(static_cast<unsigned>(std::min<uint64_t>(2 * blocks, 1U << 20)) + kSpareReads);
  for (uint64_t done = 0; done < blocks;) {
    Run run;
    if (MapRun(fs, EXT2_JOURNAL_INO, inode, done, run) != 0)
      return io_.status().ok() ? Damaged("its map") : io_.status();
    const uint64_t count = std::min(run.blocks, blocks - done);
    if (run.physical == 0 || run.physical >= fs_blocks_ || count > fs_blocks_ - run.physical)
      return Damaged("its place");
    const Piece piece{static_cast<uint32_t>(done), static_cast<uint32_t>(count), run.physical};
    done += count;
    if (!pieces_.empty() && pieces_.back().physical + pieces_.back().count == piece.physical) {
      pieces_.back().count += piece.count;
    } else if (pieces_.size() == kMaxPieces) {
      return absl::UnimplementedError("its journal is in too many pieces");
    } else {
      pieces_.push_back(piece);
    }
  }
  length_ = static_cast<uint32_t>(blocks);
  return absl::OkStatus();
}

uint64_t Journal::Place(uint32_t at) const {
  const auto behind =
      std::upper_bound(pieces_.begin(), pieces_.end(), at,
                       [](uint32_t a, const Piece& piece) { return a < piece.first; });
  const Piece& piece = *(behind - 1);  // the first one's is 0
  return (piece.physical + (at - piece.first)) * block_bytes_;
}

absl::Status Journal::Read(uint32_t at, absl::Span<uint8_t> to) {
  return io_.ReadData(Place(at), to);
}

absl::Status Journal::Write(uint32_t at, absl::Span<const uint8_t> from) {
  return io_.WriteData(Place(at), from);
}

absl::Status Journal::ReadSuper() {
  super_.resize(kSuperBytes);
  if (absl::Status status = Read(0, absl::MakeSpan(super_)); !status.ok()) return status;
  const uint32_t kind = Load32(super_.data() + 4);
  if (Load32(super_.data()) != kMagic || (kind != kSuperV1 && kind != kSuperV2))
    return Damaged("no superblock");
  if (Load32(super_.data() + kBlockBytesAt) != block_bytes_) return Damaged("its block size");
  const uint32_t length = Load32(super_.data() + kLengthAt);
  first_ = Load32(super_.data() + kFirstAt);
  start_ = Load32(super_.data() + kStartAt);
  sequence_ = Load32(super_.data() + kSequenceAt);
  error_ = Load32(super_.data() + kErrorAt) != 0;
  if (length > length_ || first_ == 0 || first_ >= length || start_ >= length ||
      (start_ != 0 && start_ < first_))
    return Damaged("its ends");
  length_ = length;
  if (kind == kSuperV1) return absl::OkStatus();
  features_ = Load32(super_.data() + kFeaturesAt);
  if ((features_ & ~(kRevoke | k64Bit | kChecksumV2 | kChecksumV3)) != 0 ||
      Load32(super_.data() + kFeaturesAt + 4) != 0)
    return absl::UnimplementedError("its journal has unknown features");
  if (!checksums()) return absl::OkStatus();
  if ((features_ & kChecksumV2) != 0 && (features_ & kChecksumV3) != 0)
    return Damaged("two kinds of checksums");
  if (super_[kChecksumKindAt] != kCrc32c)
    return absl::UnimplementedError("its journal has unknown checksums");
  std::vector<uint8_t> copy = super_;
  Store32(copy.data() + kSuperChecksumAt, 0);
  if (ext2fs_crc32c_le(~0U, copy.data(), copy.size()) != Load32(super_.data() + kSuperChecksumAt))
    return Damaged("its superblock's checksum");
  seed_ = ext2fs_crc32c_le(~0U, super_.data() + kUuidAt, kUuidBytes);
  return absl::OkStatus();
}

absl::Status Journal::WriteSuper() {
  Store32(super_.data() + kStartAt, start_);
  Store32(super_.data() + kSequenceAt, sequence_);
  if (checksums()) {
    Store32(super_.data() + kSuperChecksumAt, 0);
    Store32(super_.data() + kSuperChecksumAt, ext2fs_crc32c_le(~0U, super_.data(), super_.size()));
  }
  return Write(0, super_);
}

absl::Status Journal::MarkRecover(bool on) {
  std::vector<uint8_t> bytes(kSuperBytes);
  if (absl::Status status = io_.ReadData(kFsSuperAt, absl::MakeSpan(bytes)); !status.ok())
    return status;
  SetRecover(on, bytes.data());
  return io_.WriteData(kFsSuperAt, bytes);
}

size_t Journal::tag_bytes() const {
  if ((features_ & kChecksumV3) != 0) return 16;
  return 8 + ((features_ & kChecksumV2) != 0 ? 2 : 0) + ((features_ & k64Bit) != 0 ? 4 : 0);
}

Journal::Tag Journal::ReadTag(const uint8_t* from) const {
  Tag tag;
  tag.block = Load32(from);
  const bool high = (features_ & k64Bit) != 0;
  if ((features_ & kChecksumV3) != 0) {
    tag.flags = Load32(from + 4);
    tag.checksum = Load32(from + 12);
  } else {
    tag.checksum = Load16(from + 4);
    tag.flags = Load16(from + 6);
  }
  if (high) tag.block |= uint64_t{Load32(from + 8)} << 32;
  return tag;
}

void Journal::WriteTag(const Tag& tag, uint8_t* to) const {
  Store32(to, static_cast<uint32_t>(tag.block));
  if ((features_ & k64Bit) != 0) Store32(to + 8, static_cast<uint32_t>(tag.block >> 32));
  if ((features_ & kChecksumV3) != 0) {
    Store32(to + 4, tag.flags);
    Store32(to + 12, tag.checksum);
  } else {
    Store16(to + 4, tag.checksum);
    Store16(to + 6, tag.flags);
  }
}

uint32_t Journal::DataChecksum(absl::Span<const uint8_t> data, uint32_t sequence) const {
  uint8_t number[4];
  Store32(number, sequence);
  const uint32_t all =
      ext2fs_crc32c_le(ext2fs_crc32c_le(seed_, number, sizeof(number)), data.data(), data.size());
  return (features_ & kChecksumV3) != 0 ? all : all & 0xffff;
}

uint32_t Journal::BlockChecksum(std::vector<uint8_t> block, size_t field) const {
  Store32(block.data() + field, 0);
  return ext2fs_crc32c_le(seed_, block.data(), block.size());
}

absl::Status Journal::Scan() { return Walk(Pass::kScan); }

absl::Status Journal::Replay() {
  absl::Status status = Walk(Pass::kRevokes);
  if (status.ok()) status = Walk(Pass::kReplay);
  revoked_.clear();
  if (status.ok()) status = io_.Flush();
  if (!status.ok()) return status;
  runtime::KillPoint("journal.replayed");
  start_ = 0;
  sequence_ = end_ + 1;
  status = WriteSuper();
  if (status.ok()) status = io_.Flush();
  if (status.ok()) status = MarkRecover(false);
  return status.ok() ? io_.Flush() : status;
}

absl::Status Journal::Walk(Pass pass) {
  std::vector<uint8_t> block(block_bytes_);
  uint32_t at = start_;
  uint32_t sequence = sequence_;
  uint32_t left = length_;
  bool suspect = false;  // what this transaction has is damaged, which counts if it is committed
  if (pass == Pass::kScan) ours_ = true;
  while (left > 0 && (pass == Pass::kScan || sequence != end_)) {
    --left;
    if (absl::Status status = Read(at, absl::MakeSpan(block)); !status.ok()) return status;
    if (Load32(block.data()) != kMagic || Load32(block.data() + 8) != sequence) break;
    const uint32_t kind = Load32(block.data() + 4);
    if (kind != kDescriptor && kind != kCommit && kind != kRevokes) break;
    const size_t field = kind == kCommit ? kCommitChecksumAt : block_bytes_ - 4;
    const bool whole = !checksums() || BlockChecksum(block, field) == Load32(block.data() + field);
    at = Next(at);
    if (kind == kCommit) {
      if (!whole) break;
      if (suspect) return Damaged("a transaction's checksum");
      ours_ = ours_ && std::memcmp(block.data() + kMarkAt, kMark, sizeof(kMark)) == 0;
      ++sequence;
      continue;
    }
    suspect = suspect || !whole;
    absl::Status status;
    if (kind == kDescriptor) {
      status = WalkTags(pass, block, sequence, at, left, suspect);
    } else if (pass == Pass::kRevokes) {
      status = TakeRevokes(block, sequence);
    }
    if (absl::IsOutOfRange(status)) {
      if (pass != Pass::kScan) return Damaged("a number of a block");
      suspect = true;
    } else if (!status.ok()) {
      return status;
    }
  }
  if (pass == Pass::kScan) {
    end_ = sequence;
    ours_ = ours_ && end_ != sequence_;
  } else if (sequence != end_) {
    return Damaged("it changes");
  }
  return absl::OkStatus();
}

absl::Status Journal::WalkTags(Pass pass, const std::vector<uint8_t>& descriptor, uint32_t sequence,
                               uint32_t& at, uint32_t& left, bool& suspect) {
  absl::Status status;
  for (size_t place = kHeaderBytes; place + tag_bytes() <= tags_end() && left > 0; --left) {
    const Tag tag = ReadTag(descriptor.data() + place);
    absl::Status taken = TakeBlock(pass, tag, sequence, at, suspect);
    if (absl::IsOutOfRange(taken)) {
      status = taken;  // the others say where the log goes on
    } else if (!taken.ok()) {
      return taken;
    }
    at = Next(at);
    place += tag_bytes() + ((tag.flags & kSameUuid) != 0 ? 0 : kUuidBytes);
    if ((tag.flags & kLastTag) != 0) {
      --left;
      break;
    }
  }
  return status;
}

absl::Status Journal::TakeBlock(Pass pass, const Tag& tag, uint32_t sequence, uint32_t at,
                                bool& suspect) {
  if (pass == Pass::kRevokes) return absl::OkStatus();
  std::vector<uint8_t> data(block_bytes_);
  if (pass == Pass::kScan) {
    if (tag.block >= fs_blocks_) return absl::OutOfRangeError("");
    if (!checksums()) return absl::OkStatus();
    absl::Status status = Read(at, absl::MakeSpan(data));
    suspect = suspect || (status.ok() && DataChecksum(data, sequence) != tag.checksum);
    return status;
  }
  const auto revoked = revoked_.find(tag.block);
  if (revoked != revoked_.end() && static_cast<int32_t>(sequence - revoked->second) <= 0)
    return absl::OkStatus();
  if (tag.block >= fs_blocks_) return absl::OutOfRangeError("");
  if (absl::Status status = Read(at, absl::MakeSpan(data)); !status.ok()) return status;
  if ((tag.flags & kEscaped) != 0) Store32(data.data(), kMagic);
  return io_.WriteData(tag.block * block_bytes_, data);
}

absl::Status Journal::TakeRevokes(const std::vector<uint8_t>& block, uint32_t sequence) {
  const size_t each = (features_ & k64Bit) != 0 ? 8 : 4;
  const size_t end = Load32(block.data() + kHeaderBytes);  // of what is used
  if (end > tags_end()) return absl::OutOfRangeError("");
  for (size_t place = kHeaderBytes + 4; place + each <= end; place += each) {
    const uint64_t number =
        each == 4 ? Load32(block.data() + place)
                  : uint64_t{Load32(block.data() + place)} << 32 | Load32(block.data() + place + 4);
    const auto [found, is_new] = revoked_.try_emplace(number, sequence);
    if (static_cast<int32_t>(sequence - found->second) > 0) found->second = sequence;
    if (is_new && revoked_.size() > kMaxRevokes)
      return absl::ResourceExhaustedError("its journal has too much");
  }
  return absl::OkStatus();
}

size_t Journal::room() const {
  const size_t tags = (tags_end() - kHeaderBytes - kUuidBytes) / tag_bytes();
  const size_t all = length_ - first_;
  // A descriptor for each so many blocks, and the commit.
  return all < 3 ? 0 : (all - 2) * tags / (tags + 1);
}

absl::Status Journal::Commit(const Ext2Io::Blocks& blocks) {
  if (blocks.size() > room())
    return absl::ResourceExhaustedError("it would change too much at once");
  // What the transaction's metadata refers to is on the medium before it.
  absl::Status status = io_.Flush();
  runtime::KillPoint("journal.begun");
  const uint64_t super = kFsSuperAt / block_bytes_;
  // Until the log is empty again, the superblock says that it is not.
  std::vector<uint8_t> marked = blocks.at(super);
  SetRecover(true, marked.data() + WithinBlock(block_bytes_));
  const auto content = [&](Ext2Io::Blocks::const_iterator block) -> const std::vector<uint8_t>& {
    return block->first == super ? marked : block->second;
  };

  uint32_t at = first_;
  for (auto next = blocks.begin(); next != blocks.end() && status.ok();) {
    const uint32_t descriptor_at = at++;
    std::vector<uint8_t> descriptor(block_bytes_);
    WriteHeader(kDescriptor, sequence_, descriptor);
    size_t place = kHeaderBytes;
    for (bool first = true, last = false; !last && status.ok(); first = false) {
      std::vector<uint8_t> data = content(next);
      Tag tag{next->first, first ? 0U : kSameUuid, 0};
      if (Load32(data.data()) == kMagic) {
        Store32(data.data(), 0);
        tag.flags |= kEscaped;
      }
      tag.checksum = checksums() ? DataChecksum(data, sequence_) : 0;
      const size_t behind = place + tag_bytes() + (first ? kUuidBytes : 0);
      last = ++next == blocks.end() || behind + tag_bytes() > tags_end();
      if (last) tag.flags |= kLastTag;
      WriteTag(tag, descriptor.data() + place);
      if (first)
        std::memcpy(descriptor.data() + place + tag_bytes(), super_.data() + kUuidAt, kUuidBytes);
      place = behind;
      status = Write(at++, data);
    }
    if (checksums()) {
      const size_t field = block_bytes_ - 4;
      Store32(descriptor.data() + field, BlockChecksum(descriptor, field));
    }
    if (status.ok()) status = Write(descriptor_at, descriptor);
  }
  std::vector<uint8_t> commit(block_bytes_);
  WriteHeader(kCommit, sequence_, commit);
  std::memcpy(commit.data() + kMarkAt, kMark, sizeof(kMark));
  if (checksums())
    Store32(commit.data() + kCommitChecksumAt, BlockChecksum(commit, kCommitChecksumAt));
  if (status.ok()) status = Write(at, commit);
  // The log is not in force yet: its order does not matter.
  if (status.ok()) status = MarkRecover(true);
  if (status.ok()) status = io_.Flush();
  runtime::KillPoint("journal.written");
  if (!status.ok()) return status;

  start_ = first_;
  status = WriteSuper();
  if (status.ok()) status = io_.Flush();
  runtime::KillPoint("journal.committed");
  for (auto block = blocks.begin(); block != blocks.end() && status.ok(); ++block)
    status = io_.WriteData(block->first * block_bytes_, content(block));
  if (status.ok()) status = io_.Flush();
  runtime::KillPoint("journal.applied");
  if (!status.ok()) return status;

  start_ = 0;
  ++sequence_;
  status = WriteSuper();
  if (status.ok()) status = io_.Flush();
  if (status.ok()) status = MarkRecover(false);
  runtime::KillPoint("journal.emptied");
  return status;
}

}  // namespace pyrene::fs
