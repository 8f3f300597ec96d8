// SPDX-License-Identifier: Apache-2.0
//
// The hostile end of a channel: what a fuzz target sends into a service's real Channel. The ring's
// own fields are right here (tests/fuzz has no target for them: unit/proto_ring_test); the bytes of
// the messages are the fuzzer's.
#pragma once

#include <capnp/schema.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "proto/channel.h"
#include "proto/mutator/message_mutator.h"
#include "proto/ring.h"
#include "runtime/host/objects.h"
#include "tests/unit/channel_memory.h"

namespace pyrene::fuzz {

// On a channel's mapped Memory.
class PeerEnd {
 public:
  // `view`: of all of it, as init formatted it.
  PeerEnd(runtime::Memory view, proto::Side side)
      : view_(std::move(view)), side_(side), ring_bytes_(page()->ring_bytes) {}

  uint32_t epoch() const { return page()->epoch; }

  // A new connection in this epoch.
  void Connect(uint32_t epoch) {
    proto::Ring ring[2];
    for (size_t i = 0; i < 2; ++i) {
      ring[i] = {&page()->ring[i].producer, &page()->ring[i].consumer,
                 view_.data() + proto::ChannelPage::kBytes + i * ring_bytes_, ring_bytes_};
    }
    out_ = proto::RingProducer(ring[static_cast<size_t>(side_)]);
    in_ = proto::RingConsumer(ring[static_cast<size_t>(proto::Other(side_))]);
    static_cast<void>(out_.Reset());
    static_cast<void>(in_.Reset());
    page()->end[static_cast<size_t>(side_)].epoch = epoch;
  }

  // The service has ended the connection.
  bool Broken() const { return page()->end[static_cast<size_t>(proto::Other(side_))].epoch == 0; }

  // False: the ring is full, or no ring could hold it.
  bool Send(const proto::MessageMutator::Message& message) {
    return !message.empty() &&
           out_.Send(message.data(), message.size() * sizeof(uint64_t)) == proto::RingResult::kOk;
  }
  // Throws away what the service has answered; how many there were.
  size_t Drain() {
    return Drain([](uint8_t*, size_t) {});
  }
  // Gives each, aligned, to `take`.
  template <typename Take>
  size_t Drain(Take take) {
    alignas(8) static uint8_t answer[proto::kMaxMessageBytes];
    size_t count = 0;
    for (size_t bytes = 0; in_.Receive(answer, bytes) == proto::RingResult::kOk; ++count)
      take(answer, bytes);
    return count;
  }
  // The channel's data pool.
  uint8_t* pool() const {
    return view_.data() + proto::ChannelPage::kBytes + 2 * size_t{ring_bytes_};
  }

 protected:
  proto::ChannelPage* page() const { return reinterpret_cast<proto::ChannelPage*>(view_.data()); }

 private:
  runtime::Memory view_;
  proto::Side side_;
  uint32_t ring_bytes_;
  proto::RingProducer out_;
  proto::RingConsumer in_;
};

class Peer : private proto::ChannelMemory, public PeerEnd {
 public:
  Peer(uint64_t schema, proto::Side side, uint32_t pool_bytes = 0)
      : ChannelMemory(schema, ChannelMemory::kRingBytes, pool_bytes),
        PeerEnd(*runtime::Memory::Map(handle(), runtime::Access::kReadWrite), side),
        side_(side) {}

  // The service's end.
  std::unique_ptr<proto::Channel> Open() { return ChannelMemory::Open(proto::Other(side_), bell_); }

  // Gives the service the channel by this name, with the same effect as init at its start.
  void GiveAs(const std::string& name) {
    runtime::host::SetCapability(name, handle());
    runtime::host::SetCapability(name + ".peer", bell_.SignalHandle(1)->Release());
  }

  // A new connection, as after a restart of this end; the service's is to call Update.
  void Connect() {
    StartEpoch(++epoch_);
    PeerEnd::Connect(epoch_);
  }

 private:
  const proto::Side side_;
  runtime::Notification bell_ = *runtime::Notification::Create();
  uint32_t epoch_ = 0;
};

// Sends an input's messages one by one, with a turn of the service after each; a connection that
// the service broke is made anew.
template <typename Turn>
void SendAll(Peer& peer, const uint8_t* data, size_t bytes, Turn turn) {
  peer.Connect();
  turn();
  for (const auto& message : proto::MessageMutator::Split(data, bytes)) {
    peer.Drain();
    static_cast<void>(peer.Send(message));
    turn();
    if (peer.Broken()) {
      peer.Connect();
      turn();
    }
  }
}

}  // namespace pyrene::fuzz

// libFuzzer's two hooks, for inputs that are sequences of messages of `Root`.
#define PYRENE_FUZZ_MESSAGES(Root)                                                          \
  static pyrene::proto::MessageMutator& TheMutator() {                                      \
    static auto& mutator = *new pyrene::proto::MessageMutator(capnp::Schema::from<Root>()); \
    return mutator;                                                                         \
  }                                                                                         \
  extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t bytes, size_t room,       \
                                            unsigned seed) {                                \
    return TheMutator().Mutate(data, bytes, room, seed);                                    \
  }                                                                                         \
  extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* one, size_t one_bytes,         \
                                              const uint8_t* other, size_t other_bytes,     \
                                              uint8_t* out, size_t room, unsigned seed) {   \
    return TheMutator().CrossOver(one, one_bytes, other, other_bytes, out, room, seed);     \
  }
