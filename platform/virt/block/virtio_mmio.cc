// SPDX-License-Identifier: Apache-2.0
#include "platform/virt/block/virtio_mmio.h"

#include "absl/strings/str_cat.h"

namespace pyrene::virtio {
namespace {

// 4.2.2 and, for the legacy ones, 4.2.4.
enum Offset : uint32_t {
  kMagic = 0x000,
  kVersion = 0x004,
  kDeviceId = 0x008,
  kDeviceFeatures = 0x010,
  kDeviceFeaturesSelect = 0x014,
  kDriverFeatures = 0x020,
  kDriverFeaturesSelect = 0x024,
  kLegacyPageSize = 0x028,
  kQueueSelect = 0x030,
  kQueueSizeMost = 0x034,
  kQueueSize = 0x038,
  kLegacyQueueAlign = 0x03c,
  kLegacyQueuePage = 0x040,
  kQueueReady = 0x044,
  kQueueNotify = 0x050,
  kInterruptStatus = 0x060,
  kInterruptAcknowledge = 0x064,
  kStatus = 0x070,
  kQueueTable = 0x080,
  kQueueAvailable = 0x090,
  kQueueUsed = 0x0a0,
  kConfigGeneration = 0x0fc,
  kConfig = 0x100,
};

constexpr uint32_t kMagicValue = 0x74726976;
constexpr uint32_t kAcknowledge = 1;
constexpr uint32_t kDriver = 2;
constexpr uint32_t kDriverOk = 4;
constexpr uint32_t kFeaturesOk = 8;
constexpr uint32_t kNeedsReset = 64;
constexpr uint32_t kFailed = 128;
constexpr uint32_t kPage = 4096;
constexpr uint64_t kVersion1 = uint64_t{1} << 32;
constexpr unsigned kConfigTries = 16;

}  // namespace

void Mmio::Reset() {
  io_.Write(kStatus, 0);
  // 4.2.2.1: done when it reads 0; a device of QEMU's has done at once.
  for (unsigned i = 0; i < kConfigTries && io_.Read(kStatus) != 0; ++i) {
  }
}

absl::StatusOr<uint64_t> Mmio::Begin(uint64_t wanted) {
  if (io_.Read(kMagic) != kMagicValue) return absl::NotFoundError("no virtio device");
  const uint32_t version = io_.Read(kVersion);
  if (const uint32_t id = io_.Read(kDeviceId); id != kBlockDevice) {
    return absl::NotFoundError(id == 0 ? std::string("no virtio disk")
                                       : absl::StrCat("virtio device ", id, ", no disk"));
  }
  if (version != 1 && version != 2)
    return absl::FailedPreconditionError(absl::StrCat("virtio-mmio of version ", version));
  legacy_ = version == 1;
  Reset();
  io_.Write(kStatus, kAcknowledge);
  io_.Write(kStatus, kAcknowledge | kDriver);
  uint64_t offered = 0;
  for (uint32_t half = 0; half < 2; ++half) {
    io_.Write(kDeviceFeaturesSelect, half);
    offered |= uint64_t{io_.Read(kDeviceFeatures)} << (32 * half);
  }
  const uint64_t agreed = offered & (legacy_ ? wanted & 0xffffffff : wanted | kVersion1);
  for (uint32_t half = 0; half < 2; ++half) {
    io_.Write(kDriverFeaturesSelect, half);
    io_.Write(kDriverFeatures, static_cast<uint32_t>(agreed >> (32 * half)));
  }
  if (legacy_) {
    io_.Write(kLegacyPageSize, kPage);
    return agreed;
  }
  if ((agreed & kVersion1) == 0)
    return absl::FailedPreconditionError("a version 2 device without VIRTIO_F_VERSION_1");
  io_.Write(kStatus, kAcknowledge | kDriver | kFeaturesOk);
  if ((io_.Read(kStatus) & kFeaturesOk) == 0)
    return absl::FailedPreconditionError("the device refuses the features");
  return agreed;
}

absl::Status Mmio::SetQueue(uint64_t physical, uint32_t size, uint32_t available, uint32_t used) {
  io_.Write(kQueueSelect, 0);
  if (const uint32_t most = io_.Read(kQueueSizeMost); most < size)
    return absl::FailedPreconditionError(absl::StrCat("a queue of ", most, " descriptors"));
  io_.Write(kQueueSize, size);
  if (legacy_) {
    io_.Write(kLegacyQueueAlign, kPage);
    io_.Write(kLegacyQueuePage, static_cast<uint32_t>(physical / kPage));
    return absl::OkStatus();
  }
  const uint64_t parts[] = {physical, physical + available, physical + used};
  const uint32_t offsets[] = {kQueueTable, kQueueAvailable, kQueueUsed};
  for (unsigned i = 0; i < 3; ++i) {
    io_.Write(offsets[i], static_cast<uint32_t>(parts[i]));
    io_.Write(offsets[i] + 4, static_cast<uint32_t>(parts[i] >> 32));
  }
  io_.Write(kQueueReady, 1);
  return absl::OkStatus();
}

void Mmio::Go() { io_.Write(kStatus, io_.Read(kStatus) | kDriverOk); }
void Mmio::Fail() { io_.Write(kStatus, io_.Read(kStatus) | kFailed); }
void Mmio::Notify() { io_.Write(kQueueNotify, 0); }
bool Mmio::NeedsReset() { return (io_.Read(kStatus) & kNeedsReset) != 0; }

uint32_t Mmio::TakeInterrupts() {
  const uint32_t pending = io_.Read(kInterruptStatus);
  if (pending != 0) io_.Write(kInterruptAcknowledge, pending);
  return pending;
}

uint32_t Mmio::Config32(uint32_t offset) { return io_.Read(kConfig + offset); }

uint64_t Mmio::Config64(uint32_t offset) {
  uint64_t value = 0;
  for (unsigned i = 0; i < kConfigTries; ++i) {
    // Legacy devices have no generation: read until two agree.
    const uint32_t before = legacy_ ? 0 : io_.Read(kConfigGeneration);
    const uint64_t now = Config32(offset) | uint64_t{Config32(offset + 4)} << 32;
    const bool same = legacy_ ? i != 0 && now == value : io_.Read(kConfigGeneration) == before;
    value = now;
    if (same) break;
  }
  return value;
}

}  // namespace pyrene::virtio
