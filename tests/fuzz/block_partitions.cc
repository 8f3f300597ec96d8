// SPDX-License-Identifier: Apache-2.0
//
// A disk's partition table: whatever it says, the partitions that are offered lie within the disk,
// apart from each other, and no sector beyond its end is read.
//
// The first byte says how large the disk's sectors are and whether checksums are to be right, as
// they are where a hostile guest wrote the table; then come the disk's first sectors. The last
// sector is the second one again, as a backup header.
#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "platform/block/crc32.h"
#include "platform/block/disk.h"
#include "platform/block/little_endian.h"
#include "platform/block/partition_table.h"
#include "tests/fuzz/require.h"

namespace pyrene::block {
namespace {

using fuzz::Require;

constexpr uint64_t kSectors = 64;

void Store32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> (8 * i));
}

// Of the GPT header in block `at` and the array that it names, as far as there is one.
void MakeChecksumsRight(std::vector<uint8_t>& disk, uint32_t block_bytes, uint64_t at) {
  uint8_t* const header = disk.data() + at * block_bytes;
  const absl::Span<const uint8_t> data(header, kSectorBytes);
  const uint64_t array = Load64(data, 72);
  const uint64_t bytes = uint64_t{Load32(data, 80)} * Load32(data, 84);
  if (array < disk.size() / block_bytes && bytes <= disk.size() - array * block_bytes)
    Store32(header + 88, Crc32({disk.data() + array * block_bytes, bytes}));
  const uint32_t header_bytes = Load32(data, 12);
  if (header_bytes > kSectorBytes) return;
  Store32(header + 16, 0);
  Store32(header + 16, Crc32(data.first(header_bytes)));
}

void Check(const PartitionTable& table) {
  std::vector<Partition> list = table.partitions;
  std::set<unsigned> numbers;
  for (const Partition& partition : list) {
    Require(numbers.insert(partition.number).second && partition.number != 0);
    Require(partition.first != 0 && partition.first < kSectors &&
            partition.sectors <= kSectors - partition.first);
    const auto found =
        FindPartition(table, "sda", kSectors, PartitionName("sda", partition.number));
    Require(found.ok() && found->first == partition.first);
  }
  std::sort(list.begin(), list.end(),
            [](const Partition& a, const Partition& b) { return a.first < b.first; });
  for (size_t i = 1; i < list.size(); ++i)
    Require(list[i - 1].first + list[i - 1].sectors <= list[i].first);
}

}  // namespace
}  // namespace pyrene::block

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene::block;
  if (bytes == 0) return 0;
  const uint8_t how = data[0];
  const uint32_t block_bytes = kSectorBytes << (how & 3);
  std::vector<uint8_t> disk(kSectors * kSectorBytes);
  std::memcpy(disk.data(), data + 1, std::min(bytes - 1, disk.size()));
  const uint64_t last = disk.size() / block_bytes - 1;
  std::memcpy(disk.data() + last * block_bytes, disk.data() + block_bytes, block_bytes);
  if ((how & 4) != 0) {
    MakeChecksumsRight(disk, block_bytes, 1);
    MakeChecksumsRight(disk, block_bytes, last);
  }
  unsigned reads = 0;
  const auto read = [&](uint64_t sector, absl::Span<uint8_t> to) {
    Require(!to.empty() && to.size() <= kMaxTableRead && to.size() % kSectorBytes == 0);
    Require(sector < kSectors && to.size() <= (kSectors - sector) * kSectorBytes);
    Require(++reads < 4 * kMaxGptEntries);
    std::memcpy(to.data(), disk.data() + sector * kSectorBytes, to.size());
    return absl::OkStatus();
  };
  if (const auto table = ReadPartitionTable(read, kSectors, block_bytes); table.ok()) Check(*table);
  return 0;
}
