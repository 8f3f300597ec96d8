// SPDX-License-Identifier: Apache-2.0
//
// The partitions of a disk: an MBR with primary and logical partitions, or a GPT (UEFI 2.10,
// chapter 5). All of it is the disk's, and not trusted: what is read is bounded, a chain of logical
// partitions that runs in a circle ends, and partitions that overlap or reach beyond the disk are
// not offered.
//
// Numbers and names are those that Linux gives: MBR 1..4 and from 5 on for logical ones, GPT by the
// place in the array; "sda1", but "mmcblk0p1".
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pyrene::block {

struct Partition {
  unsigned number = 0;  // from 1; 0: the whole disk
  uint64_t first = 0;   // sector of 512 bytes
  uint64_t sectors = 0;
  uint8_t mbr_type = 0;                   // of an MBR's
  std::array<uint8_t, 16> gpt_type = {};  // of a GPT's, as on the disk
};

struct PartitionTable {
  enum class Scheme : uint8_t { kNone, kMbr, kGpt };
  Scheme scheme = Scheme::kNone;
  bool from_backup = false;           // a GPT whose first copy is damaged
  std::vector<Partition> partitions;  // by number
  std::vector<std::string> problems;  // sentences: what is not offered, and why
};

// Reads `to.size()` bytes, a multiple of 512 and at most kMaxTableRead, from a sector of 512 bytes
// on.
using ReadSectors = std::function<absl::Status(uint64_t sector, absl::Span<uint8_t> to)>;
inline constexpr size_t kMaxTableRead = 4096;

inline constexpr unsigned kMaxLogical = 128;
inline constexpr unsigned kMaxGptEntries = 1024;

// `sectors` of 512 bytes; `sector_bytes` of the disk's own sectors, a power of two, 512..4096.
// A disk without a table has Scheme::kNone. DataLoss: a GPT of which both copies are damaged.
// Errors of `read` as they are.
absl::StatusOr<PartitionTable> ReadPartitionTable(const ReadSectors& read, uint64_t sectors,
                                                  uint32_t sector_bytes);

// "mmcblk0", 2: "mmcblk0p2"; 0 is the disk itself.
std::string PartitionName(absl::string_view disk, unsigned number);

// What `name` means, with or without "/dev/": the disk itself or one of its partitions. NotFound:
// neither.
absl::StatusOr<Partition> FindPartition(const PartitionTable& table, absl::string_view disk,
                                        uint64_t sectors, absl::string_view name);

}  // namespace pyrene::block
