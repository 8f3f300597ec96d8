// SPDX-License-Identifier: Apache-2.0
#include "platform/virt/block/virtio_disk.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "runtime/clock.h"
#include "runtime/log.h"

namespace pyrene::virtio {
namespace {

// 5.2.3
constexpr uint64_t kReadOnly = 1 << 5;
constexpr uint64_t kBlockSize = 1 << 6;
constexpr uint64_t kFlush = 1 << 9;
constexpr uint64_t kDiscard = 1 << 13;

enum ConfigOffset : uint32_t {
  kCapacity = 0,
  kBlockSizeAt = 20,
  kMaxDiscardSectors = 36,
};

enum Type : uint32_t { kIn = 0, kOut = 1, kFlushType = 4, kDiscardType = 11 };

enum DeviceStatus : uint8_t { kOk = 0, kUnsupported = 2, kPending = 0xff };

constexpr uint32_t kHeaderBytes = 16;
constexpr uint32_t kSegmentBytes = 16;

uint64_t ResetFirst(MmioIo& io, uint64_t physical) {
  Mmio(io).Reset();
  return physical;
}

}  // namespace

VirtioDisk::VirtioDisk(MmioIo& io, uint8_t* memory, uint64_t physical)
    : device_(io),
      physical_(ResetFirst(io, physical)),
      queue_(memory),
      frames_(reinterpret_cast<Frame*>(memory + Virtqueue::kBytes)) {}

absl::Status VirtioDisk::Open() {
  const absl::StatusOr<uint64_t> features =
      device_.Begin(kReadOnly | kBlockSize | kFlush | kDiscard);
  if (!features.ok()) return features.status();
  features_ = *features;
  has_flush_ = (features_ & kFlush) != 0;
  absl::Status status = device_.SetQueue(physical_, Virtqueue::kSize, Virtqueue::kAvailableOffset,
                                         Virtqueue::kUsedOffset);
  if (!status.ok()) {
    device_.Fail();
    return status;
  }
  device_.Go();
  ReadFacts();
  return absl::OkStatus();
}

void VirtioDisk::ReadFacts() {
  block::DiskFacts facts;
  facts.sectors = device_.Config64(kCapacity);
  const uint32_t bytes =
      (features_ & kBlockSize) != 0 ? device_.Config32(kBlockSizeAt) : block::kSectorBytes;
  // Only a hint of the device (5.2.4): what is no sector size of ours counts as none.
  facts.sector_bytes = std::has_single_bit(bytes) && bytes >= block::kSectorBytes && bytes <= 4096
                           ? bytes
                           : block::kSectorBytes;
  facts.read_only = (features_ & kReadOnly) != 0;
  facts.max_sectors = kMaxSectors;
  if ((features_ & kDiscard) != 0)
    facts.max_discard = std::min(kMaxDiscard, device_.Config32(kMaxDiscardSectors));
  facts.medium = facts_.medium + (facts.sectors == facts_.sectors ? 0 : 1);
  facts_ = facts;
}

void VirtioDisk::Start(const block::DiskRequest& request) {
  using block::Operation;
  // Without the feature the device has no cache that would have to be written back (5.2.5).
  if (request.operation == Operation::kFlush && !has_flush_)
    return Complete(request.tag, proto::BlockStatus::OK);
  const bool moves =
      request.operation == Operation::kRead || request.operation == Operation::kWrite;
  if (moves && request.memory->physical == 0)
    return Complete(request.tag, proto::BlockStatus::NOT_SUPPORTED);
  const auto number = static_cast<unsigned>(std::countr_zero(free_));
  free_ &= ~(1u << number);
  requests_[number] = {request.tag, runtime::MonotonicNow() + kTimeout};
  Frame& frame = frames_[number];
  frame = {};
  frame.status = kPending;
  frame.sector = moves ? request.sector : 0;
  const uint64_t at = FramePhysical(number);
  std::array<Virtqueue::Buffer, Virtqueue::kChain> buffers;
  unsigned count = 0;
  buffers[count++] = {at, kHeaderBytes, false};
  switch (request.operation) {
    case Operation::kRead:
    case Operation::kWrite: {
      const bool read = request.operation == Operation::kRead;
      frame.type = read ? kIn : kOut;
      buffers[count++] = {request.memory->physical + request.offset,
                          request.count * block::kSectorBytes, read};
      break;
    }
    case Operation::kDiscard:
      frame.type = kDiscardType;
      frame.discard_sector = request.sector;
      frame.discard_count = request.count;
      buffers[count++] = {at + offsetof(Frame, discard_sector), kSegmentBytes, false};
      break;
    case Operation::kFlush:
      frame.type = kFlushType;
      break;
  }
  buffers[count++] = {at + offsetof(Frame, status), 1, true};
  queue_.Offer(number, buffers.data(), count);
  device_.Notify();
}

void VirtioDisk::Finish(unsigned number) {
  const uint8_t status = __atomic_load_n(&frames_[number].status, __ATOMIC_ACQUIRE);
  free_ |= 1u << number;
  requests_[number].deadline = runtime::kNever;
  Complete(requests_[number].tag, status == kOk            ? proto::BlockStatus::OK
                                  : status == kUnsupported ? proto::BlockStatus::NOT_SUPPORTED
                                                           : proto::BlockStatus::IO_ERROR);
}

void VirtioDisk::OnInterrupt() {
  const uint32_t pending = device_.TakeInterrupts();
  // A change of the configuration: another size, or the device is at its end.
  if ((pending & 2) != 0) {
    broken_ = broken_ || device_.NeedsReset();
    ReadFacts();
  }
  for (unsigned i = 0; i < Virtqueue::kRequests; ++i) {
    const absl::StatusOr<std::optional<unsigned>> done = queue_.Take();
    if (!done.ok()) {
      runtime::LogError(done.status().message());
      broken_ = true;
    }
    if (!done.ok() || !done->has_value()) break;
    Finish(**done);
  }
  if (runtime::MonotonicNow() >= deadline()) {
    runtime::LogError("the device does not answer");
    broken_ = true;
  }
}

uint64_t VirtioDisk::deadline() const {
  uint64_t first = runtime::kNever;
  for (const Request& request : requests_) first = std::min(first, request.deadline);
  return broken_ ? runtime::kNever : first;
}

}  // namespace pyrene::virtio
