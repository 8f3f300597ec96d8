// SPDX-License-Identifier: Apache-2.0
#include "platform/block/gpt.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "platform/block/crc32.h"
#include "platform/block/disk.h"
#include "platform/block/little_endian.h"

namespace pyrene::block {
namespace {

constexpr char kSignature[] = "EFI PART";
constexpr uint32_t kMinHeaderBytes = 92;
constexpr uint32_t kEntryBytes = 128;  // all that anybody writes; others are multiples of it
constexpr size_t kHeaderCrcAt = 16;
constexpr size_t kTypeBytes = 16;

// Blocks are the disk's own sectors.
struct Header {
  uint64_t first_usable = 0;
  uint64_t last_usable = 0;
  uint64_t array = 0;
  uint32_t entries = 0;
  uint32_t entry_bytes = 0;
  uint32_t array_crc = 0;
};

class GptReader {
 public:
  GptReader(const ReadSectors& read, uint64_t sectors, uint32_t sector_bytes)
      : read_(read), scale_(sector_bytes / kSectorBytes), blocks_(sectors / scale_) {}

  uint64_t last_block() const { return blocks_ - 1; }

  // DataLoss: this copy is damaged; errors of `read`.
  absl::Status Read(uint64_t at, PartitionTable& table) {
    Header header;
    if (absl::Status status = ReadHeader(at, header); !status.ok()) return status;
    uint32_t crc = 0;
    table.partitions.clear();
    const uint64_t bytes = uint64_t{header.entries} * header.entry_bytes;
    for (uint64_t done = 0; done < bytes;) {
      // A piece of whole entries: their size divides it.
      std::array<uint8_t, kMaxTableRead> buffer;
      const size_t piece = std::min<uint64_t>(bytes - done, buffer.size());
      const size_t whole = (piece + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
      const uint64_t sector = header.array * scale_ + done / kSectorBytes;
      absl::Status status = read_(sector, absl::MakeSpan(buffer).first(whole));
      if (!status.ok()) return status;
      const absl::Span<const uint8_t> data = absl::MakeConstSpan(buffer).first(piece);
      crc = Crc32(data, crc);
      for (size_t i = 0; i < piece; i += header.entry_bytes) {
        Add(static_cast<unsigned>((done + i) / header.entry_bytes) + 1,
            data.subspan(i, kEntryBytes), table);
      }
      done += piece;
    }
    if (crc != header.array_crc) return Damaged("the checksum of the partitions is wrong");
    return absl::OkStatus();
  }

 private:
  static absl::Status Damaged(absl::string_view what) { return absl::DataLossError(what); }

  absl::Status ReadHeader(uint64_t at, Header& header) {
    if (at >= blocks_) return Damaged("the disk is too small for it");
    std::array<uint8_t, kSectorBytes> sector;
    if (absl::Status status = read_(at * scale_, absl::MakeSpan(sector)); !status.ok())
      return status;
    const absl::Span<uint8_t> data = absl::MakeSpan(sector);
    if (std::memcmp(data.data(), kSignature, sizeof(kSignature) - 1) != 0)
      return Damaged("there is no header");
    const uint32_t bytes = Load32(data, 12);
    if (bytes < kMinHeaderBytes || bytes > data.size())
      return Damaged("the header has a wrong size");
    const uint32_t crc = Load32(data, kHeaderCrcAt);
    std::memset(data.data() + kHeaderCrcAt, 0, sizeof(crc));
    if (Crc32(data.first(bytes)) != crc) return Damaged("the header's checksum is wrong");
    if (Load64(data, 24) != at) return Damaged("the header belongs elsewhere");
    header = {Load64(data, 40), Load64(data, 48), Load64(data, 72),
              Load32(data, 80), Load32(data, 84), Load32(data, 88)};
    const uint32_t entry = header.entry_bytes;
    // kMaxTableRead is a multiple of each of these.
    if (entry < kEntryBytes || entry > kMaxTableRead || (entry & (entry - 1)) != 0 ||
        header.entries > kMaxGptEntries)
      return Damaged("the array has a wrong size");
    const uint64_t block = uint64_t{scale_} * kSectorBytes;
    const uint64_t blocks = (uint64_t{header.entries} * entry + block - 1) / block;
    if (header.array >= blocks_ || blocks > blocks_ - header.array)
      return Damaged("the array lies outside of the disk");
    if (header.first_usable > header.last_usable || header.last_usable >= blocks_)
      return Damaged("the usable range is wrong");
    first_usable_ = header.first_usable;
    last_usable_ = header.last_usable;
    return absl::OkStatus();
  }

  void Add(unsigned number, absl::Span<const uint8_t> entry, PartitionTable& table) {
    Partition partition;
    partition.number = number;
    std::copy_n(entry.begin(), kTypeBytes, partition.gpt_type.begin());
    if (partition.gpt_type == std::array<uint8_t, kTypeBytes>{}) return;
    const uint64_t first = Load64(entry, 32);
    const uint64_t last = Load64(entry, 40);
    if (first < first_usable_ || last > last_usable_ || first > last) {
      table.problems.push_back(
          absl::StrCat("partition ", number, " lies outside of what is usable"));
      return;
    }
    partition.first = first * scale_;
    partition.sectors = (last - first + 1) * scale_;
    table.partitions.push_back(partition);
  }

  const ReadSectors& read_;
  const uint32_t scale_;  // sectors of 512 bytes in a block
  const uint64_t blocks_;
  uint64_t first_usable_ = 0;
  uint64_t last_usable_ = 0;
};

}  // namespace

absl::Status ReadGpt(const ReadSectors& read, uint64_t sectors, uint32_t sector_bytes,
                     PartitionTable& table) {
  GptReader reader(read, sectors, sector_bytes);
  absl::Status first = reader.Read(1, table);
  if (!first.ok()) {
    if (!absl::IsDataLoss(first)) return first;
    table.problems.clear();
    absl::Status second = reader.Read(reader.last_block(), table);
    if (absl::IsDataLoss(second)) {
      return absl::DataLossError(absl::StrCat(
          "both copies of the GPT are damaged: ", first.message(), "; ", second.message()));
    }
    if (!second.ok()) return second;
    table.from_backup = true;
    table.problems.push_back(
        absl::StrCat("the first copy of the GPT is damaged: ", first.message()));
  }
  table.scheme = PartitionTable::Scheme::kGpt;
  return absl::OkStatus();
}

}  // namespace pyrene::block
