// SPDX-License-Identifier: Apache-2.0
#include "platform/virt/block/virtqueue.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace pyrene::virtio {
namespace {

constexpr uint16_t kNext = 1;
constexpr uint16_t kDeviceWrites = 2;

uint16_t* Half(uint8_t* at) { return reinterpret_cast<uint16_t*>(at); }

}  // namespace

Virtqueue::Virtqueue(uint8_t* memory) : memory_(memory) { std::memset(memory, 0, kBytes); }

void Virtqueue::Offer(unsigned number, const Buffer* buffers, unsigned count) {
  auto* const table = reinterpret_cast<Descriptor*>(memory_);
  const unsigned first = number * kChain;
  for (unsigned i = 0; i < count; ++i) {
    const bool last = i + 1 == count;
    table[first + i] = {
        buffers[i].physical, buffers[i].bytes,
        static_cast<uint16_t>((buffers[i].device_writes ? kDeviceWrites : 0) | (last ? 0 : kNext)),
        static_cast<uint16_t>(last ? 0 : first + i + 1)};
  }
  in_flight_[number] = true;
  // flags, index, ring: 2.6.6.
  uint16_t* const ring = Half(memory_ + kAvailableOffset);
  ring[2 + available_ % kSize] = static_cast<uint16_t>(first);
  ++available_;
  // The device sees the entry before the index, and both before it is notified.
  __atomic_store_n(&ring[1], available_, __ATOMIC_RELEASE);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

absl::StatusOr<std::optional<unsigned>> Virtqueue::Take() {
  uint8_t* const ring = memory_ + kUsedOffset;
  const uint16_t index = __atomic_load_n(Half(ring + 2), __ATOMIC_ACQUIRE);
  if (index == used_) return std::nullopt;
  const auto* const entry =
      reinterpret_cast<const uint32_t*>(ring + 4 + size_t{8} * (used_ % kSize));
  const uint32_t first = __atomic_load_n(entry, __ATOMIC_RELAXED);
  const unsigned number = first / kChain;
  if (first % kChain != 0 || number >= kRequests || !in_flight_[number])
    return absl::DataLossError(absl::StrCat("the device answers descriptor ", first));
  ++used_;
  in_flight_[number] = false;
  return number;
}

}  // namespace pyrene::virtio
