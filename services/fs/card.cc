// SPDX-License-Identifier: Apache-2.0
#include "services/fs/card.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "platform/block/partition_table.h"
#include "runtime/log.h"

namespace pyrene::fs {
namespace {

constexpr uint8_t kMbrLinux = 0x83;
// 0FC63DAF-8483-4772-8E79-3D69D8477DE4, the first three parts little endian.
constexpr std::array<uint8_t, 16> kGptLinux = {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
                                               0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4};

absl::StatusOr<block::PartitionTable> ReadTable(BlockSource& source, uint64_t sectors,
                                                uint32_t sector_bytes, const std::string& disk) {
  const auto read = [&source](uint64_t sector, absl::Span<uint8_t> to) {
    return source.Read(sector, to);
  };
  absl::StatusOr<block::PartitionTable> table =
      block::ReadPartitionTable(read, sectors, sector_bytes);
  if (!table.ok()) {
    return absl::Status(table.status().code(), absl::StrCat(disk, ": ", table.status().message()));
  }
  return table;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Volume>> MountDisk(BlockSource& source, uint64_t sectors,
                                                  uint32_t sector_bytes, const std::string& disk,
                                                  Volume::Replay replay) {
  const absl::StatusOr<block::PartitionTable> table =
      ReadTable(source, sectors, sector_bytes, disk);
  if (!table.ok()) return table.status();
  for (const std::string& problem : table->problems) runtime::LogWarning(disk, ": ", problem);
  if (table->scheme == block::PartitionTable::Scheme::kNone)
    return Volume::Mount(source, 0, sectors, disk, replay);
  for (const block::Partition& partition : table->partitions) {
    if (partition.mbr_type != kMbrLinux && partition.gpt_type != kGptLinux) continue;
    auto volume = Volume::Mount(source, partition.first, partition.sectors,
                                block::PartitionName(disk, partition.number), replay);
    if (!absl::IsNotFound(volume.status())) return volume;
  }
  return absl::NotFoundError(absl::StrCat(disk, " has no partition with an ext4 file system"));
}

absl::StatusOr<Extent> FindOnDisk(BlockSource& source, uint64_t sectors, uint32_t sector_bytes,
                                  const std::string& disk, const std::string& name) {
  const absl::StatusOr<block::PartitionTable> table =
      ReadTable(source, sectors, sector_bytes, disk);
  if (!table.ok()) return table.status();
  const absl::StatusOr<block::Partition> partition =
      block::FindPartition(*table, disk, sectors, name);
  if (!partition.ok()) return absl::NotFoundError(absl::StrCat("there is no block device ", name));
  return Extent{partition->first, partition->sectors};
}

}  // namespace pyrene::fs
