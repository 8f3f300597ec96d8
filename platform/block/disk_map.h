// SPDX-License-Identifier: Apache-2.0
//
// Which sectors of a device a guest's disk consists of (proto/disk_map.capnp), as init writes it
// into a Memory and blkback reads it there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "platform/block/extent.h"

namespace pyrene::block {

// More pieces than that no disk has: fs refuses such a file.
inline constexpr size_t kMaxExtents = 4096;
// Bytes.
inline constexpr size_t kMaxDeviceName = 63;

struct DiskMap {
  std::string device;  // "/dev/vda"
  uint64_t device_sectors = 0;
  std::vector<Extent> extents;
};

// Of all extents.
uint64_t SectorsOf(absl::Span<const Extent> extents);

// Whether a sector is in both.
bool Overlap(absl::Span<const Extent> a, absl::Span<const Extent> b);

// What WriteDiskMap needs.
size_t DiskMapBytes(const DiskMap& map);
// ResourceExhausted: `to` is too small.
absl::Status WriteDiskMap(const DiskMap& map, absl::Span<uint8_t> to);

// `from` may change meanwhile, or vanish. InvalidArgument: no map; every extent of one lies on the
// device, and has sectors.
absl::StatusOr<DiskMap> ReadDiskMap(absl::Span<const uint8_t> from);

}  // namespace pyrene::block
