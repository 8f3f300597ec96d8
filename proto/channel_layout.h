// SPDX-License-Identifier: Apache-2.0
//
// A channel's Memory: one page with header and indices, two rings, the data pool.
//
// Who writes what: init the header (when it makes the channel, and `epoch` at each reconnection);
// each end its EndLine and its lines of the rings (proto/ring.h). An end copies the header once per
// connection, checks it, and uses its copy.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "proto/ring.h"

namespace pyrene::proto {

enum class Side : uint8_t { kClient = 0, kServer = 1 };
inline constexpr Side Other(Side side) {
  return side == Side::kClient ? Side::kServer : Side::kClient;
}

// Which epoch's indices this end has reset; 0: not connected.
struct alignas(kCacheLineBytes) EndLine {
  uint32_t epoch;
};

struct ChannelPage {
  static constexpr uint64_t kMagic = 0x6e61'6843'4e525950;  // "PYRNChan"
  static constexpr uint32_t kBytes = 4096;

  uint64_t magic;
  uint64_t schema_id;   // Cap'n Proto's id of the root message's file; both ends are built for one
  uint32_t epoch;       // counts connections from 1; never 0 while the channel is in use
  uint32_t ring_bytes;  // of each ring
  EndLine end[2];       // by Side
  struct alignas(kCacheLineBytes) Lines {
    ProducerLine producer;
    ConsumerLine consumer;
  } ring[2];  // by the producing Side
};
static_assert(offsetof(ChannelPage, end) == 0x40 && offsetof(ChannelPage, ring) == 0xc0);
static_assert(sizeof(ChannelPage) <= ChannelPage::kBytes);

inline constexpr uint32_t kMaxPoolBytes = 1u << 30;

// Init: makes a fresh channel of `bytes` bytes, a multiple of a page, with the pool in what the
// rings leave. InvalidArgument if the rings do not fit or are not a power of two in range.
absl::Status FormatChannel(void* memory, size_t bytes, uint64_t schema_id, uint32_t ring_bytes);

// Init: starts the next connection, after the end that restarts has stopped for good and before its
// next life begins. Both ends are then signalled. `epoch` is init's own count: what stands in the
// page may be a peer's lie.
void StartEpoch(void* memory, uint32_t epoch);

}  // namespace pyrene::proto
