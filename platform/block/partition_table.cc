// SPDX-License-Identifier: Apache-2.0
#include "platform/block/partition_table.h"

#include <algorithm>
#include <cstddef>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "platform/block/disk.h"
#include "platform/block/gpt.h"
#include "platform/block/little_endian.h"

namespace pyrene::block {
namespace {

constexpr size_t kEntriesAt = 446;
constexpr size_t kEntryBytes = 16;
constexpr unsigned kEntries = 4;
constexpr size_t kSignatureAt = 510;
constexpr uint16_t kSignature = 0xaa55;
constexpr uint8_t kProtective = 0xee;
constexpr unsigned kFirstLogical = 5;

struct MbrEntry {
  uint8_t status = 0;
  uint8_t type = 0;
  uint32_t first = 0;  // of the disk's sectors
  uint32_t count = 0;

  bool is_extended() const { return type == 0x05 || type == 0x0f || type == 0x85; }
  bool is_empty() const { return count == 0 || type == 0; }
};

using MbrEntries = std::array<MbrEntry, kEntries>;

// False: no such sector.
bool ParseMbr(absl::Span<const uint8_t> sector, MbrEntries& entries) {
  if (Load16(sector, kSignatureAt) != kSignature) return false;
  for (unsigned i = 0; i < kEntries; ++i) {
    const absl::Span<const uint8_t> at = sector.subspan(kEntriesAt + i * kEntryBytes, kEntryBytes);
    entries[i] = {at[0], at[4], Load32(at, 8), Load32(at, 12)};
  }
  return true;
}

// A file system without a table has the same signature, and its program where entries would be.
bool IsTable(const MbrEntries& entries) {
  return std::all_of(entries.begin(), entries.end(),
                     [](const MbrEntry& entry) { return (entry.status & 0x7f) == 0; });
}

class MbrReader {
 public:
  MbrReader(const ReadSectors& read, uint64_t sectors, uint32_t scale, PartitionTable& table)
      : read_(read), blocks_(sectors / scale), scale_(scale), table_(table) {}

  absl::Status Read(const MbrEntries& entries) {
    table_.scheme = PartitionTable::Scheme::kMbr;
    for (unsigned i = 0; i < kEntries; ++i) {
      if (!entries[i].is_empty() && !entries[i].is_extended()) Add(i + 1, 0, entries[i]);
    }
    for (const MbrEntry& entry : entries) {
      if (entry.is_empty() || !entry.is_extended()) continue;
      if (absl::Status status = Chain(entry); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  void Add(unsigned number, uint64_t base, const MbrEntry& entry) {
    table_.partitions.push_back(
        {number, (base + entry.first) * scale_, uint64_t{entry.count} * scale_, entry.type, {}});
  }

  // Each link's sector has a partition, relative to itself, and the next link, relative to the
  // begin of the extended partition.
  absl::Status Chain(const MbrEntry& extended) {
    const uint64_t begin = extended.first;
    std::array<uint8_t, kSectorBytes> sector;
    for (uint64_t at = begin; seen_.insert(at).second;) {
      if (seen_.size() > kMaxLogical) {
        table_.problems.push_back(
            absl::StrCat("there are more than ", kMaxLogical, " logical partitions"));
        return absl::OkStatus();
      }
      if (at - begin >= extended.count || at >= blocks_) {
        table_.problems.push_back(
            "the chain of logical partitions leaves the extended one, or the disk");
        return absl::OkStatus();
      }
      if (absl::Status status = read_(at * scale_, absl::MakeSpan(sector)); !status.ok())
        return status;
      MbrEntries entries;
      if (!ParseMbr(sector, entries)) {
        table_.problems.push_back("the chain of logical partitions is damaged");
        return absl::OkStatus();
      }
      const MbrEntry* next = nullptr;
      for (const MbrEntry& entry : entries) {
        if (entry.is_empty()) continue;
        if (!entry.is_extended()) {
          AddLogical(at, extended, entry);
        } else if (next == nullptr) {
          next = &entry;
        }
      }
      if (next == nullptr) return absl::OkStatus();
      at = begin + next->first;
    }
    table_.problems.push_back("the chain of logical partitions runs in a circle");
    return absl::OkStatus();
  }

  void AddLogical(uint64_t at, const MbrEntry& extended, const MbrEntry& entry) {
    const uint64_t first = at + entry.first - extended.first;
    const unsigned number = next_logical_++;
    if (first >= extended.count || entry.count > extended.count - first) {
      table_.problems.push_back(
          absl::StrCat("partition ", number, " reaches beyond its extended one"));
      return;
    }
    Add(number, at, entry);
  }

  const ReadSectors& read_;
  const uint64_t blocks_;  // the disk's own sectors
  const uint32_t scale_;   // sectors of 512 bytes in one of the disk's
  PartitionTable& table_;
  std::set<uint64_t> seen_;  // links, of all extended partitions
  unsigned next_logical_ = kFirstLogical;
};

// Two that share a sector could be given to two users who each believe to be alone.
void DropUnusable(uint64_t sectors, PartitionTable& table) {
  std::set<unsigned> dropped;
  std::vector<Partition>& list = table.partitions;
  for (const Partition& partition : list) {
    if (partition.first != 0 && partition.first < sectors &&
        partition.sectors <= sectors - partition.first)
      continue;
    dropped.insert(partition.number);
    table.problems.push_back(
        absl::StrCat("partition ", partition.number, " does not lie within the disk"));
  }
  std::sort(list.begin(), list.end(),
            [](const Partition& a, const Partition& b) { return a.first < b.first; });
  const Partition* furthest = nullptr;  // of those that begin before
  for (const Partition& partition : list) {
    if (dropped.count(partition.number) != 0) continue;
    if (furthest != nullptr && partition.first < furthest->first + furthest->sectors) {
      table.problems.push_back(
          absl::StrCat("partitions ", furthest->number, " and ", partition.number, " overlap"));
      dropped.insert({furthest->number, partition.number});
    }
    if (furthest == nullptr ||
        partition.first + partition.sectors > furthest->first + furthest->sectors)
      furthest = &partition;
  }
  list.erase(std::remove_if(list.begin(), list.end(),
                            [&](const Partition& p) { return dropped.count(p.number) != 0; }),
             list.end());
  std::sort(list.begin(), list.end(),
            [](const Partition& a, const Partition& b) { return a.number < b.number; });
}

}  // namespace

absl::StatusOr<PartitionTable> ReadPartitionTable(const ReadSectors& read, uint64_t sectors,
                                                  uint32_t sector_bytes) {
  PartitionTable table;
  const uint32_t scale = sector_bytes / kSectorBytes;
  if (sectors < scale) return table;
  std::array<uint8_t, kSectorBytes> sector;
  if (absl::Status status = read(0, absl::MakeSpan(sector)); !status.ok()) return status;
  MbrEntries entries;
  if (!ParseMbr(sector, entries) || !IsTable(entries)) return table;
  const bool protective = std::any_of(entries.begin(), entries.end(), [](const MbrEntry& entry) {
    return entry.type == kProtective;
  });
  absl::Status status = protective ? ReadGpt(read, sectors, sector_bytes, table)
                                   : MbrReader(read, sectors, scale, table).Read(entries);
  if (!status.ok()) return status;
  DropUnusable(sectors, table);
  return table;
}

std::string PartitionName(absl::string_view disk, unsigned number) {
  if (number == 0) return std::string(disk);
  const bool digit = !disk.empty() && absl::ascii_isdigit(static_cast<unsigned char>(disk.back()));
  return absl::StrCat(disk, digit ? "p" : "", number);
}

absl::StatusOr<Partition> FindPartition(const PartitionTable& table, absl::string_view disk,
                                        uint64_t sectors, absl::string_view name) {
  absl::ConsumePrefix(&name, "/dev/");
  if (name == disk) return Partition{0, 0, sectors, 0, {}};
  for (const Partition& partition : table.partitions) {
    if (PartitionName(disk, partition.number) == name) return partition;
  }
  return absl::NotFoundError(absl::StrCat("there is no ", name));
}

}  // namespace pyrene::block
