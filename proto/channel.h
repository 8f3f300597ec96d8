// SPDX-License-Identifier: Apache-2.0
//
// One end of a channel: typed messages to and from one peer, in shared memory.
//
// Connecting. Init makes the channel (channel_layout.h), and starts an epoch for each life of
// either end. An end that sees a new epoch
//
//   C1  resets its own indices
//   C2  stores the epoch in its EndLine (release)
//   C3  signals the peer
//
// and is connected once it loads the same epoch (acquire) from the peer's EndLine: by the peer's
// C1, all indices are then this epoch's. Messages of the former epoch that were not received are
// lost; what must not be lost is kept by its sender until it is answered.
//
// The peer is hostile (proto/ring.h, proto/message.h). What it does wrong breaks the connection:
// one log line with the reason, EndLine 0, and nothing more is sent or received until init starts
// the next epoch. No error of a peer ends the service.
//
// Use, on the thread of the event loop, for the bit that the peer signals:
//
//   if (channel.Update() == Channel::State::kUp) {
//     channel.Receive<Root>(kBatch, handler);
//     channel.Flush();
//   }
//
// Receive answers whether there may be more; then the service signals its own bit, so that other
// event sources get their turn.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/channel_layout.h"
#include "proto/message.h"
#include "proto/pool.h"
#include "proto/ring.h"
#include "runtime/memory.h"
#include "runtime/notification.h"

namespace pyrene::proto {

class Channel {
 public:
  enum class State : uint8_t {
    kConnecting,  // the peer has not come up in this epoch
    kUp,
    kBroken,  // until the next epoch
  };

  // `name` is for the log. `memory` is mapped read-write; `peer` is what wakes the other end. Only
  // the sizes are checked here: what the page says is checked by Update, and again in each epoch.
  Channel(std::string name, runtime::Memory memory, runtime::Notification peer, Side side,
          uint64_t schema_id);
  Channel(Channel&&) = default;
  Channel& operator=(Channel&&) = default;

  // To be called once at the start and on every wake-up. Sees new epochs and the peer's coming and
  // going.
  State Update();
  State state() const { return state_; }
  // Of the current connection; a change tells that the peer, or this service, began a new life.
  uint32_t epoch() const { return epoch_; }

  // Sends a message that was built by `builder`. ResourceExhausted: no room; the peer will signal
  // when there is, and until then the sender keeps what it has to say. FailedPrecondition: not
  // connected. InvalidArgument: too large for this ring.
  absl::Status Send(MessageBuilder& builder);
  // The same of a message in its flat form, at most kMaxMessageBytes.
  absl::Status Send(kj::ArrayPtr<const capnp::word> message);

  // Handles up to `max` messages with `absl::Status handler(Root::Reader)`; an error of the handler
  // means that the message was not allowed, and breaks the connection. Answers whether there may be
  // more.
  template <typename Root, typename Handler>
  bool Receive(unsigned max, Handler handler);
  // The same with `absl::Status handler(kj::ArrayPtr<const capnp::word>)`, the private copy of a
  // message that nobody has checked, for what is not read by Cap'n Proto's reader.
  template <typename Handler>
  bool ReceiveWords(unsigned max, Handler handler);

  // This end is about to look for messages: the peer need not signal until Receive has found none.
  // To be followed by Receive.
  void Expect();

  // Signals the peer if it waits for what was sent or received since the last time. Once after each
  // batch.
  void Flush();

  // Ends the connection, with `reason` in the log.
  void Break(absl::string_view reason);

  // Valid until the next Update.
  const Pool& pool() const { return pool_; }
  const std::string& name() const { return name_; }

 private:
  ChannelPage* page() const { return reinterpret_cast<ChannelPage*>(memory_.data()); }
  void Connect(uint32_t epoch);
  absl::Status TakeGeometry();
  bool SameEpoch() const;
  // What a result other than kOk and kWait means for the connection.
  void Fail(RingResult result);
  // The next message in `inbox_`, or false.
  bool Next(size_t& bytes);

  std::string name_;
  runtime::Memory memory_;
  runtime::Notification peer_;
  Side side_;
  uint64_t schema_id_;
  State state_ = State::kConnecting;
  uint32_t epoch_ = 0;
  RingProducer out_;
  RingConsumer in_;
  Pool pool_;
  bool sent_ = false;
  bool received_ = false;
  // The private copy of the message that is being handled.
  std::unique_ptr<std::array<capnp::word, kMaxMessageWords>> inbox_;
};

template <typename Root, typename Handler>
bool Channel::Receive(unsigned max, Handler handler) {
  return ReceiveWords(max, [&handler](kj::ArrayPtr<const capnp::word> message) {
    return ReadMessage<Root>(message, std::ref(handler));
  });
}

template <typename Handler>
bool Channel::ReceiveWords(unsigned max, Handler handler) {
  for (unsigned i = 0; i < max; ++i) {
    size_t bytes;
    if (!Next(bytes)) return false;
    const absl::Status status =
        handler(kj::ArrayPtr<const capnp::word>(inbox_->data(), bytes / sizeof(capnp::word)));
    if (!status.ok()) {
      Break(status.message());
      return false;
    }
  }
  return state_ == State::kUp;
}

}  // namespace pyrene::proto
