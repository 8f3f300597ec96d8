// SPDX-License-Identifier: Apache-2.0
//
// A split virtqueue (VIRTIO 1.1, 2.6) in DMA memory, driver's side, for requests of a fixed number
// of descriptors. The layout is the one of legacy devices, which modern ones take too: table,
// available ring, then the used ring on the next page.
//
// The device is trusted with memory (it is a DMA master), but what it writes is checked: an index
// or length that can not be is an error, and the device is to be reset.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pyrene::virtio {

struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};

class Virtqueue {
 public:
  static constexpr unsigned kSize = 64;  // descriptors, a power of two
  static constexpr unsigned kChain = 3;  // descriptors of a request at most
  static constexpr unsigned kRequests = kSize / kChain;
  static constexpr size_t kPageBytes = 4096;
  static constexpr size_t kAvailableOffset = kSize * sizeof(Descriptor);
  static constexpr size_t kUsedOffset = kPageBytes;
  static constexpr size_t kBytes = 2 * kPageBytes;
  static_assert(kAvailableOffset + 6 + 2 * kSize <= kUsedOffset);

  struct Buffer {
    uint64_t physical;
    uint32_t bytes;
    bool device_writes;
  };

  // `memory`: kBytes, page aligned, zeroed here.
  explicit Virtqueue(uint8_t* memory);

  // Offers a request of 1..kChain buffers as `number` (below kRequests, not in flight); the device
  // sees it at once, and is to be notified.
  void Offer(unsigned number, const Buffer* buffers, unsigned count);
  // A request that the device has done, or none. DataLoss: the device answered what was not asked.
  absl::StatusOr<std::optional<unsigned>> Take();

  bool in_flight(unsigned number) const { return in_flight_[number]; }

 private:
  uint8_t* memory_;
  uint16_t available_ = 0;  // our indices, never read back
  uint16_t used_ = 0;
  std::array<bool, kRequests> in_flight_{};
};

}  // namespace pyrene::virtio
