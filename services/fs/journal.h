// SPDX-License-Identifier: Apache-2.0
//
// The file system's own journal, jbd2 as the kernel's page "ext4 data structures and algorithms,
// Journal" describes it: replayed when it has something, and used for one transaction at a time.
//
// A transaction is in the log, and on the medium, before any of its blocks is written in its place,
// and the log is empty again before the next one begins. So no block that is freed is in the log
// when it becomes a file's data, and nothing is ever revoked.
//
// All numbers are the disk's: a walk through the log ends after as many blocks as it has, and only
// blocks of the file system are written.
#pragma once

#include <ext2fs/ext2fs.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/fs/ext2_io.h"

namespace pyrene::fs {

class Journal {
 public:
  static constexpr size_t kMaxRevokes = 32768;

  // Of `fs`, which only this call uses. NotFound: it has none; Unimplemented: one that is not
  // understood; DataLoss.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(ext2_filsys fs, Ext2Io& io);

  bool empty() const { return start_ == 0; }
  // Linux found an error in the file system and noted it here.
  bool has_error() const { return error_; }
  // How many blocks a transaction may have.
  size_t room() const;

  // Looks through the log, and changes nothing. DataLoss: what was committed is damaged.
  // ResourceExhausted: more revokes than there is memory for.
  absl::Status Scan();
  // After Scan: all transactions in it are of fs's.
  bool ours() const { return ours_; }
  // After Scan: writes what the log has to its places. The log is empty then.
  absl::Status Replay();

  // All of `blocks`, among them the superblock's, or nothing. When it returns with success they are
  // on the medium, and so is all data that was written before.
  absl::Status Commit(const Ext2Io::Blocks& blocks);

 private:
  enum class Pass : uint8_t { kScan, kRevokes, kReplay };
  struct Tag {
    uint64_t block = 0;
    uint32_t flags = 0;
    uint32_t checksum = 0;
  };
  struct Piece {  // of the journal's file
    uint32_t first;
    uint32_t count;
    uint64_t physical;
  };

  Journal(Ext2Io& io, uint32_t block_bytes, uint64_t fs_blocks)
      : io_(io), block_bytes_(block_bytes), fs_blocks_(fs_blocks) {}
  absl::Status FindPieces(ext2_filsys fs);
  absl::Status ReadSuper();
  absl::Status WriteSuper();
  // The file system's own superblock.
  absl::Status MarkRecover(bool on);
  absl::Status Walk(Pass pass);
  // ... one descriptor's blocks, from `at` on.
  absl::Status WalkTags(Pass pass, const std::vector<uint8_t>& descriptor, uint32_t sequence,
                        uint32_t& at, uint32_t& left, bool& suspect);
  absl::Status TakeBlock(Pass pass, const Tag& tag, uint32_t sequence, uint32_t at, bool& suspect);
  absl::Status TakeRevokes(const std::vector<uint8_t>& block, uint32_t sequence);

  absl::Status Read(uint32_t at, absl::Span<uint8_t> to);
  absl::Status Write(uint32_t at, absl::Span<const uint8_t> from);
  uint64_t Place(uint32_t at) const;  // in bytes of the partition
  uint32_t Next(uint32_t at) const { return at + 1 == length_ ? first_ : at + 1; }
  bool checksums() const { return (features_ & (kChecksumV2 | kChecksumV3)) != 0; }
  size_t tag_bytes() const;
  size_t tags_end() const { return block_bytes_ - (checksums() ? 4 : 0); }
  Tag ReadTag(const uint8_t* from) const;
  void WriteTag(const Tag& tag, uint8_t* to) const;
  uint32_t DataChecksum(absl::Span<const uint8_t> data, uint32_t sequence) const;
  // Of a descriptor, revoke or commit block whose own field lies at `field`.
  uint32_t BlockChecksum(std::vector<uint8_t> block, size_t field) const;

  static constexpr uint32_t kRevoke = 1;
  static constexpr uint32_t k64Bit = 2;
  static constexpr uint32_t kChecksumV2 = 8;
  static constexpr uint32_t kChecksumV3 = 16;

  Ext2Io& io_;
  const uint32_t block_bytes_;
  const uint64_t fs_blocks_;
  std::vector<Piece> pieces_;
  std::vector<uint8_t> super_;  // the journal's
  uint32_t features_ = 0;
  uint32_t seed_ = 0;  // of checksums
  uint32_t length_ = 0;
  uint32_t first_ = 0;
  uint32_t start_ = 0;     // 0: empty
  uint32_t sequence_ = 0;  // of the log's first transaction, or of the next one
  uint32_t end_ = 0;       // of the first that is not committed
  bool error_ = false;
  bool ours_ = false;
  std::unordered_map<uint64_t, uint32_t> revoked_;  // the last transaction that does not count
};

}  // namespace pyrene::fs
