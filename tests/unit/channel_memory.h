// SPDX-License-Identifier: Apache-2.0
//
// A channel as init makes it: its Memory, from which both ends are opened.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "proto/connect.h"
#include "runtime/host/objects.h"
#include "runtime/memory.h"
#include "runtime/notification.h"

namespace pyrene::proto {

class ChannelMemory {
 public:
  static constexpr uint32_t kRingBytes = 16384;

  explicit ChannelMemory(uint64_t schema, uint32_t ring_bytes = kRingBytes, uint32_t pool_bytes = 0)
      : schema_(schema),
        handle_(*runtime::host::CreateObject(runtime::host::Kind::kMemory,
                                             ChannelPage::kBytes + 2 * ring_bytes + pool_bytes)) {
    EXPECT_TRUE(FormatChannel(memory_.data(), memory_.size(), schema, ring_bytes).ok());
  }

  runtime::Handle handle() const { return handle_.get(); }
  void StartEpoch(uint32_t epoch) { proto::StartEpoch(memory_.data(), epoch); }
  // `peer`: what wakes the other end.
  std::unique_ptr<Channel> Open(Side side, const runtime::Notification& peer) {
    return std::make_unique<Channel>(
        "test", *runtime::Memory::Map(handle_.get(), runtime::Access::kReadWrite),
        runtime::Notification::Adopt(peer.SignalHandle(1)->Release()), side, schema_);
  }

 private:
  const uint64_t schema_;
  runtime::OwnedHandle handle_;
  runtime::Memory memory_ = *runtime::Memory::Map(handle_.get(), runtime::Access::kReadWrite);
};

}  // namespace pyrene::proto
