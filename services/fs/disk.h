// SPDX-License-Identifier: Apache-2.0
//
// The disk by its driver's channel (proto/block.capnp). One request at a time; while it waits, the
// service's event loop runs, so that pings are answered. The driver may die and come back: its
// client sends again what was not answered.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "platform/block/block_client.h"
#include "runtime/event_loop.h"
#include "runtime/memory.h"
#include "services/fs/block_source.h"

namespace pyrene::fs {

class Disk final : public BlockSource {
 public:
  // `data` is the channel's data Memory. `ended`: the service is to end, nothing waits any more.
  Disk(runtime::EventLoop& loop, proto::Channel channel, runtime::Memory data,
       std::function<bool()> ended);

  // When the channel's bit was signalled. True: again, soon.
  bool OnWake() { return client_.OnWake(); }

  // Waits until the driver has told of a disk, which it does soon after its start or never.
  // FailedPrecondition: there is no disk, or no medium.
  absl::Status WaitForMedium();
  const block::DiskFacts& facts() const { return client_.facts(); }
  // What was read so far is of another medium: Read fails until then.
  void TakeMedium() { medium_ = client_.facts().medium; }
  bool HasMedium() const;

  absl::Status Read(uint64_t sector, absl::Span<uint8_t> to) override;
  absl::Status Write(uint64_t sector, absl::Span<const uint8_t> from) override;
  absl::Status Flush() override;
  bool read_only() const override { return client_.facts().read_only; }

 private:
  // Bytes of one request.
  size_t Most() const;
  // `from`: what a write writes.
  absl::Status Request(block::Operation operation, uint64_t sector, size_t bytes,
                       const uint8_t* from = nullptr);
  // Runs the event loop until `done`; DeadlineExceeded.
  absl::Status Until(const std::function<bool()>& done, uint64_t deadline);

  runtime::EventLoop& loop_;
  runtime::Memory data_;
  std::function<bool()> ended_;
  bool answered_ = true;  // the last request
  proto::BlockStatus status_ = proto::BlockStatus::OK;
  uint32_t medium_ = 0;
  const uint64_t started_;
  block::BlockClient client_;
};

}  // namespace pyrene::fs
