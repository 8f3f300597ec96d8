// SPDX-License-Identifier: Apache-2.0
//
// Disks' maps: what is written is read, whatever else is there is refused, and what overlaps.
#include "platform/block/disk_map.h"

#include <gtest/gtest.h>

#include <random>

namespace pyrene::block {
namespace {

DiskMap Example(size_t extents) {
  DiskMap map{"/dev/mmcblk0", 1 << 20, {}};
  for (size_t i = 0; i < extents; ++i) map.extents.push_back({(extents - i) * 100, i % 50 + 1});
  return map;
}

TEST(DiskMap, IsReadAsItWasWritten) {
  for (const size_t extents : {size_t{1}, size_t{65}, kMaxExtents}) {
    const DiskMap map = Example(extents);
    std::vector<uint8_t> memory((DiskMapBytes(map) + 4095) / 4096 * 4096, 0);
    ASSERT_TRUE(WriteDiskMap(map, absl::MakeSpan(memory)).ok());
    const absl::StatusOr<DiskMap> read = ReadDiskMap(memory);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->device, map.device);
    EXPECT_EQ(read->device_sectors, map.device_sectors);
    ASSERT_EQ(read->extents.size(), extents);
    for (size_t i = 0; i < extents; ++i) {
      EXPECT_EQ(read->extents[i].sector, map.extents[i].sector);
      EXPECT_EQ(read->extents[i].sectors, map.extents[i].sectors);
    }
    EXPECT_EQ(SectorsOf(read->extents), SectorsOf(map.extents));
  }
}

TEST(DiskMap, WhatCanNotBeIsRefused) {
  const auto refused = [](const DiskMap& map) {
    std::vector<uint8_t> memory(DiskMapBytes(map), 0);
    EXPECT_TRUE(WriteDiskMap(map, absl::MakeSpan(memory)).ok());
    return absl::IsInvalidArgument(ReadDiskMap(memory).status());
  };
  EXPECT_FALSE(refused(Example(3)));
  EXPECT_TRUE(refused(Example(0)));
  EXPECT_TRUE(refused(Example(kMaxExtents + 1)));
  EXPECT_TRUE(refused({"", 100, {{0, 1}}}));
  EXPECT_TRUE(refused({std::string(64, 'x'), 100, {{0, 1}}}));
  EXPECT_FALSE(refused({"/dev/vda", 100, {{99, 1}}}));
  EXPECT_TRUE(refused({"/dev/vda", 100, {{99, 2}}}));
  EXPECT_TRUE(refused({"/dev/vda", 100, {{101, 1}}}));
  EXPECT_TRUE(refused({"/dev/vda", 100, {{50, 0}}}));
  EXPECT_TRUE(refused({"/dev/vda", 100, {{50, ~uint64_t{0}}}}));
  std::vector<uint8_t> small(32);
  EXPECT_TRUE(absl::IsResourceExhausted(WriteDiskMap(Example(9), absl::MakeSpan(small))));
}

TEST(DiskMap, AnyBytesAreReadWithinBounds) {
  std::mt19937 random(11);
  const DiskMap map = Example(20);
  std::vector<uint8_t> good(DiskMapBytes(map), 0);
  ASSERT_TRUE(WriteDiskMap(map, absl::MakeSpan(good)).ok());
  for (int round = 0; round < 20000; ++round) {
    std::vector<uint8_t> bytes = good;
    bytes.resize(random() % (good.size() + 1));
    for (unsigned i = random() % 8; i > 0 && !bytes.empty(); --i)
      bytes[random() % std::min<size_t>(bytes.size(), random() % 2 == 0 ? 48 : 4096)] =
          static_cast<uint8_t>(random());
    const absl::StatusOr<DiskMap> read = ReadDiskMap(bytes);
    if (!read.ok()) continue;
    for (const Extent& extent : read->extents) {
      ASSERT_LE(extent.sector, read->device_sectors);
      ASSERT_LE(extent.sectors, read->device_sectors - extent.sector);
    }
  }
}

TEST(DiskMap, Overlaps) {
  const std::vector<Extent> whole = {{0, ~uint64_t{0}}};
  const std::vector<Extent> scattered = {{500, 10}, {100, 10}, {300, 10}};
  EXPECT_TRUE(Overlap(whole, scattered));
  EXPECT_TRUE(Overlap(scattered, whole));
  EXPECT_TRUE(Overlap(scattered, scattered));
  EXPECT_FALSE(Overlap(scattered, std::vector<Extent>{{110, 190}, {310, 190}, {0, 100}, {510, 9}}));
  EXPECT_TRUE(Overlap(scattered, std::vector<Extent>{{110, 191}}));
  EXPECT_TRUE(Overlap(scattered, std::vector<Extent>{{0, 50}, {509, 1}}));
  EXPECT_FALSE(Overlap(scattered, {}));
}

}  // namespace
}  // namespace pyrene::block
