// SPDX-License-Identifier: Apache-2.0
#include "proto/channel_layout.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "runtime/guarded.h"

namespace pyrene::proto {

absl::Status FormatChannel(void* memory, size_t bytes, uint64_t schema_id, uint32_t ring_bytes) {
  if (!std::has_single_bit(ring_bytes) || ring_bytes < kMinRingBytes ||
      ring_bytes > kMaxRingBytes) {
    return absl::InvalidArgumentError(absl::StrCat("rings of ", ring_bytes, " bytes"));
  }
  const size_t fixed = ChannelPage::kBytes + 2 * size_t{ring_bytes};
  if (bytes < fixed || bytes - fixed > kMaxPoolBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a channel of ", bytes, " bytes with rings of ", ring_bytes));
  }
  std::memset(memory, 0, ChannelPage::kBytes);
  auto* const page = static_cast<ChannelPage*>(memory);
  page->magic = ChannelPage::kMagic;
  page->schema_id = schema_id;
  page->ring_bytes = ring_bytes;
  StartEpoch(memory, 1);
  return absl::OkStatus();
}

void StartEpoch(void* memory, uint32_t epoch) {
  // Init holds the memory: it can not vanish under init, so a failure is impossible, and there is
  // nobody to tell.
  static_cast<void>(runtime::GuardedStore(&static_cast<ChannelPage*>(memory)->epoch, epoch));
}

}  // namespace pyrene::proto
