// SPDX-License-Identifier: Apache-2.0
//
// The driver's end of the block protocol (proto/block.capnp): takes its clients' requests, checks
// them, hands them to the disk one client after the other, keeps a client's flush apart from its
// other requests, and answers.
//
// A client that begins a new life has its queued requests dropped; those that the device already
// works on end before the new connection's `disk` event is sent, so that no old read reaches the
// new life's data.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "platform/block/disk.h"
#include "proto/block.capnp.h"
#include "proto/channel.h"

namespace pyrene::block {

class BlockServer {
 public:
  static constexpr unsigned kDepth = 32;  // unanswered requests of one client
  static constexpr unsigned kMaxClients = 8;

  explicit BlockServer(Disk& disk);

  // Before the first Round; at most kMaxClients.
  void AddClient(std::unique_ptr<proto::Channel> channel, DataMemory memory);

  // On every wake-up: receives, starts, answers. Bounded; true: to be called again at once, after
  // other sources had their turn.
  bool Round();

 private:
  enum class State : uint8_t { kFree, kQueued, kRunning, kDone, kOrphan };
  struct Slot {
    State state = State::kFree;
    uint32_t id = 0;
    DiskRequest request;
    proto::BlockStatus status = proto::BlockStatus::OK;
  };
  struct Client {
    std::unique_ptr<proto::Channel> channel;
    DataMemory memory;
    std::array<Slot, kDepth> slots;
    // By State: a bit for each slot.
    std::array<uint32_t, 5> in_state = {~uint32_t{0}};
    uint32_t strays = 0;  // not in the slot that their id asks for, as another had it
    // Those in kQueued, as they came: from `first` on, round.
    std::array<uint8_t, kDepth> queue = {};
    uint32_t first = 0;
    uint32_t queued = 0;
    uint32_t epoch = 0;
    uint32_t told_medium = 0;  // of the facts that this connection knows; 0: none
    unsigned running = 0;      // orphans included
    bool flushing = false;
  };

  static_assert(kDepth == 32);
  static unsigned Held(const Client& client);
  static void SetState(Client& client, Slot& slot, State state);
  // Calls `visit(slot)` for those in that state; it may change their state.
  template <typename Visit>
  static void ForEach(Client& client, State state, Visit visit);
  void Connect(Client& client);
  bool TellFacts(Client& client);
  bool Take(Client& client);
  absl::Status Handle(Client& client, kj::ArrayPtr<const capnp::word> message);
  absl::Status Queue(Client& client, uint32_t id, const DiskRequest& request);
  proto::BlockStatus Check(const Client& client, const DiskRequest& request) const;
  Slot* Next(Client& client);
  bool StartOne();
  void Completed(uint32_t tag, proto::BlockStatus status);
  void Answer(Client& client);

  Disk& disk_;
  std::vector<std::unique_ptr<Client>> clients_;
  proto::MessageBuilder builder_;
  size_t turn_ = 0;
};

}  // namespace pyrene::block
