// SPDX-License-Identifier: Apache-2.0
//
// A client's end of the block protocol (proto/block.capnp). Remembers each request until it is
// answered, and sends it again to the driver's next life; what it reads from and writes to in the
// data Memory belongs to the request until then.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "platform/block/disk.h"
#include "proto/block.capnp.h"
#include "proto/channel.h"

namespace pyrene::block {

class BlockClient {
 public:
  static constexpr unsigned kMaxDepth = 64;
  using Done = std::function<void(uint32_t id, proto::BlockStatus status)>;

  // `done` is called by OnWake only, and may Submit.
  BlockClient(proto::Channel channel, Done done);

  // At the start, and when the channel's bit was signalled. True: call again, after other sources
  // had their turn.
  bool OnWake();
  // Before Submit and Flush, if OnWake follows on the spot: what is answered by then needs no
  // signal.
  void Expect() { channel_.Expect(); }
  // Sends what is new; once after each batch of Submits.
  void Flush() { channel_.Flush(); }

  // No facts: the driver has not come up yet.
  bool has_facts() const { return has_facts_; }
  const DiskFacts& facts() const { return facts_; }
  unsigned depth() const { return depth_; }
  unsigned unanswered() const { return unanswered_; }
  // Connections that came up: the driver's lives, and this one's.
  unsigned connections() const { return connections_; }

  // `request.memory` and `request.tag` are not used; `id` must not be among the unanswered.
  // ResourceExhausted: depth() are unanswered. Without a connection it is kept for the next.
  absl::Status Submit(uint32_t id, const DiskRequest& request);

 private:
  struct Slot {
    uint32_t id = 0;
    uint64_t order = 0;
    DiskRequest request;
  };

  absl::Status Handle(proto::BlockEvent::Reader event);
  absl::Status HandleDone(uint32_t id, proto::BlockStatus status);
  absl::Status TakeFacts(proto::DiskFacts::Reader facts);
  // Calls `visit(index)` for each bit.
  template <typename Visit>
  static void ForEach(uint64_t bits, Visit visit);
  // The slot of request `id` among these, or kMaxDepth.
  size_t Find(uint32_t id, uint64_t among) const;
  bool Send(size_t index);
  // A flush or discard.
  absl::Status SendOther(const Slot& slot);
  // In order of their Submit, as far as there is room.
  void SendUnsent();

  proto::Channel channel_;
  Done done_;
  proto::MessageBuilder builder_;
  std::array<Slot, kMaxDepth> slots_;
  static_assert(kMaxDepth == 64);
  // A bit for each slot.
  uint64_t used_ = 0;
  uint64_t unsent_ = 0;  // of those, in this connection
  uint64_t strays_ = 0;  // not in the slot that their id asks for, as another had it
  DiskFacts facts_;
  bool has_facts_ = false;
  bool connected_ = false;  // this epoch's `disk` has come
  uint32_t epoch_ = 0;
  unsigned depth_ = 1;
  unsigned unanswered_ = 0;
  unsigned connections_ = 0;
  uint64_t next_order_ = 1;
};

}  // namespace pyrene::block
