// SPDX-License-Identifier: Apache-2.0
#include "platform/block/disk_map.h"

#include <capnp/message.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "proto/disk_map.capnp.h"
#include "proto/message.h"
#include "runtime/guarded.h"

namespace pyrene::block {
namespace {

constexpr size_t kWord = sizeof(capnp::word);
constexpr size_t kWordsOfExtent = 2;
// The first word, the root's pointer, the struct, the name, the list's tag; rounded up.
constexpr size_t kOtherWords = 32;

std::vector<Extent> InOrder(absl::Span<const Extent> extents) {
  std::vector<Extent> sorted(extents.begin(), extents.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const Extent& a, const Extent& b) { return a.sector < b.sector; });
  return sorted;
}

absl::Status Parse(proto::DiskMap::Reader message, DiskMap& map) {
  const auto device = message.getDevice();
  if (device.size() == 0 || device.size() > kMaxDeviceName)
    return absl::InvalidArgumentError("a disk's map without a device");
  map.device.assign(device.begin(), device.size());
  map.device_sectors = message.getDeviceSectors();
  const auto extents = message.getExtents();
  if (extents.size() == 0 || extents.size() > kMaxExtents)
    return absl::InvalidArgumentError("a disk's map without extents, or with too many");
  for (const auto extent : extents) {
    map.extents.push_back({extent.getSector(), extent.getSectors()});
    if (!LiesOn(map.extents.back(), map.device_sectors))
      return absl::InvalidArgumentError("an extent that is not on the device");
  }
  return absl::OkStatus();
}

}  // namespace

uint64_t SectorsOf(absl::Span<const Extent> extents) {
  return std::accumulate(extents.begin(), extents.end(), uint64_t{0},
                         [](uint64_t sum, const Extent& extent) { return sum + extent.sectors; });
}

bool Overlap(absl::Span<const Extent> a, absl::Span<const Extent> b) {
  const std::vector<Extent> left = InOrder(a);
  const std::vector<Extent> right = InOrder(b);
  for (auto l = left.begin(), r = right.begin(); l != left.end() && r != right.end();) {
    if (l->sector < r->sector) {
      if (r->sector - l->sector < l->sectors) return true;
      ++l;
    } else {
      if (l->sector - r->sector < r->sectors) return true;
      ++r;
    }
  }
  return false;
}

size_t DiskMapBytes(const DiskMap& map) {
  return (kOtherWords + kWordsOfExtent * map.extents.size()) * kWord;
}

absl::Status WriteDiskMap(const DiskMap& map, absl::Span<uint8_t> to) {
  capnp::MallocMessageBuilder builder(static_cast<unsigned>(DiskMapBytes(map) / kWord),
                                      capnp::AllocationStrategy::FIXED_SIZE);
  auto message = builder.initRoot<proto::DiskMap>();
  message.setDevice(map.device.c_str());
  message.setDeviceSectors(map.device_sectors);
  auto extents = message.initExtents(static_cast<unsigned>(map.extents.size()));
  for (unsigned i = 0; i < extents.size(); ++i) {
    extents[i].setSector(map.extents[i].sector);
    extents[i].setSectors(map.extents[i].sectors);
  }
  const auto segments = builder.getSegmentsForOutput();
  if (segments.size() != 1 || (segments[0].size() + 1) * kWord > to.size())
    return absl::ResourceExhaustedError("a disk's map does not fit");
  const uint64_t first = uint64_t{segments[0].size()} << 32;
  std::memcpy(to.data(), &first, sizeof(first));
  std::memcpy(to.data() + kWord, segments[0].begin(), segments[0].size() * kWord);
  return absl::OkStatus();
}

absl::StatusOr<DiskMap> ReadDiskMap(absl::Span<const uint8_t> from) {
  uint64_t first = 0;
  if (from.size() < kWord || !runtime::GuardedCopy(&first, from.data(), kWord))
    return runtime::MemoryGone();
  const uint64_t words = (first >> 32) + 1;
  if (words > kOtherWords + kWordsOfExtent * kMaxExtents || words > from.size() / kWord)
    return absl::InvalidArgumentError("a disk's map that is too long");
  auto copy = kj::heapArray<capnp::word>(words);
  if (!runtime::GuardedCopy(copy.begin(), from.data(), words * kWord)) return runtime::MemoryGone();
  DiskMap map;
  absl::Status status = proto::ReadMessage<proto::DiskMap>(
      copy, [&map](proto::DiskMap::Reader message) { return Parse(message, map); });
  if (!status.ok()) return status;
  return map;
}

}  // namespace pyrene::block
