// SPDX-License-Identifier: Apache-2.0
//
// The channel of a guest's disk, between its VMM and blkback: as any channel of the block protocol,
// but its data Memory is the channel's own pool. Both ends were built for this geometry, and take
// nothing of it from the page that the other can write.
#pragma once

#include <cstdint>

#include "platform/block/disk.h"
#include "proto/channel_layout.h"
#include "runtime/memory.h"

namespace pyrene::block {

// Room for BlockServer::kDepth requests, or answers, of under 128 bytes each.
inline constexpr uint32_t kRingBytes = 8192;
// What exceeds this waits in the guest's ring.
inline constexpr uint32_t kPoolBytes = 1u << 20;

// Empty if the Memory is too small.
inline DataMemory PoolOf(const runtime::Memory& channel) {
  constexpr size_t kPool = proto::ChannelPage::kBytes + 2 * size_t{kRingBytes};
  if (channel.size() < kPool + kPoolBytes) return {};
  return {channel.data() + kPool, kPoolBytes, 0};
}

}  // namespace pyrene::block
