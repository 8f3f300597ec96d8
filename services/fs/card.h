// SPDX-License-Identifier: Apache-2.0
//
// The disk's partitions. Its ext4 partition is the first, by number, of type Linux that has such a
// file system; on a disk without partitions, the disk itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/fs/volume.h"

namespace pyrene::fs {

// `disk` is the disk's name, as Linux calls it: "mmcblk0", "vda". NotFound: there is none; errors
// as those of Volume::Mount.
absl::StatusOr<std::unique_ptr<Volume>> MountDisk(BlockSource& source, uint64_t sectors,
                                                  uint32_t sector_bytes, const std::string& disk,
                                                  Volume::Replay replay = Volume::Replay::kOwn);

// Where the partition `name` is ("mmcblk0p2", with or without "/dev/"), or the disk itself.
// NotFound: there is none of that name.
absl::StatusOr<Extent> FindOnDisk(BlockSource& source, uint64_t sectors, uint32_t sector_bytes,
                                  const std::string& disk, const std::string& name);

}  // namespace pyrene::fs
