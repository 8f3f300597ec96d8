// SPDX-License-Identifier: Apache-2.0
//
// A virtio block device (VIRTIO 1.1, 5.2) as a disk: several requests at a time, their data moved
// by the device itself. The DMA memory of the driver has the queue, then a header and a status
// byte for each request.
#pragma once

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "platform/block/disk.h"
#include "platform/virt/block/virtio_mmio.h"
#include "platform/virt/block/virtqueue.h"

namespace pyrene::virtio {

class VirtioDisk final : public block::Disk {
 public:
  static constexpr uint32_t kMaxSectors = 2048;
  static constexpr uint32_t kMaxDiscard = 1 << 20;
  static constexpr size_t kDmaBytes = Virtqueue::kBytes + Virtqueue::kPageBytes;
  // The device has answered nothing of a request for so long: it is taken for dead.
  static constexpr uint64_t kTimeout = 30 * runtime::kSecond;

  // `memory`: kDmaBytes at `physical`. The device is reset first, so that nothing that a former
  // life asked for is still written.
  VirtioDisk(MmioIo& io, uint8_t* memory, uint64_t physical);

  // NotFound: there is no disk.
  absl::Status Open();
  bool has_flush() const { return has_flush_; }

  const block::DiskFacts& facts() const override { return facts_; }
  bool CanStart() const override { return free_ != 0 && !broken_; }
  void Start(const block::DiskRequest& request) override;
  void OnInterrupt() override;
  uint64_t deadline() const override;

  // The device broke the protocol, asked for a reset, or is silent: this life can not go on.
  bool broken() const override { return broken_; }

 private:
  struct Request {
    uint32_t tag = 0;
    uint64_t deadline = runtime::kNever;
  };
  // What the device reads and writes beside the data.
  struct Frame {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
    uint64_t discard_sector;  // one segment of a discard
    uint32_t discard_count;
    uint32_t discard_flags;
    uint8_t status;
    uint8_t padding[31];
  };
  static_assert(sizeof(Frame) == 64 && Virtqueue::kRequests * 64 <= Virtqueue::kPageBytes);

  void ReadFacts();
  void Finish(unsigned number);
  uint64_t FramePhysical(unsigned number) const {
    return physical_ + Virtqueue::kBytes + sizeof(Frame) * number;
  }

  Mmio device_;
  uint64_t physical_;
  Virtqueue queue_;
  Frame* frames_;
  block::DiskFacts facts_;
  uint64_t features_ = 0;
  std::array<Request, Virtqueue::kRequests> requests_;
  uint32_t free_ = (1u << Virtqueue::kRequests) - 1;
  bool has_flush_ = false;
  bool broken_ = false;
};

}  // namespace pyrene::virtio
