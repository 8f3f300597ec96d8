// SPDX-License-Identifier: Apache-2.0
//
// A device on virtio-mmio (VIRTIO 1.1, 4.2), modern (version 2) or legacy (version 1).
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pyrene::virtio {

// Registers of the device, as words.
class MmioIo {
 public:
  virtual ~MmioIo() = default;
  virtual uint32_t Read(uint32_t offset) = 0;
  virtual void Write(uint32_t offset, uint32_t value) = 0;
};

class Mmio {
 public:
  static constexpr uint32_t kBlockDevice = 2;

  explicit Mmio(MmioIo& io) : io_(io) {}

  // Resets the device, and agrees on those of `wanted` features that it has. NotFound: there is no
  // block device. FailedPrecondition: it takes other terms than ours.
  absl::StatusOr<uint64_t> Begin(uint64_t wanted);
  // Gives it queue 0, of `size` descriptors at `physical`: table, available ring at `available`,
  // used ring at `used` bytes behind it.
  absl::Status SetQueue(uint64_t physical, uint32_t size, uint32_t available, uint32_t used);
  void Go();
  void Fail();
  void Reset();

  void Notify();
  // Which interrupts were pending, now acknowledged: bit 0 used buffers, bit 1 configuration.
  uint32_t TakeInterrupts();
  // After an error of its own the device wants a reset.
  bool NeedsReset();

  uint32_t Config32(uint32_t offset);
  // Not torn by a change of the configuration.
  uint64_t Config64(uint32_t offset);

 private:
  MmioIo& io_;
  bool legacy_ = false;
};

}  // namespace pyrene::virtio
