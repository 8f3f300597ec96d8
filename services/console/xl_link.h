// SPDX-License-Identifier: Apache-2.0
//
// xl's channel (proto/console.capnp): its terminal, and what it asks for. xl has nothing to gain by
// breaking the protocol, but it is held to it: nothing here grows by what it sends, and while its
// answers are not taken its requests are not read.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "proto/channel.h"
#include "proto/console.capnp.h"
#include "services/console/log_store.h"
#include "services/console/multiplexer.h"

namespace pyrene::console {

class XlLink {
 public:
  // `read_offers` takes what init has offered so far: xl may name a guest that is on its way.
  XlLink(proto::Channel channel, Journal& journal, Multiplexer& multiplexer, LogStore& log,
         std::function<void()> read_offers);

  // One round, bounded. True: there may be more.
  bool Serve();
  bool connected() const { return channel_.state() == proto::Channel::State::kUp; }
  // Something waits for the UART to become idle, which no interrupt tells.
  bool flushing() const { return flush_.has_value(); }

 private:
  using Fill = std::function<void(proto::ConsoleEvent::Builder)>;
  struct Flush {
    uint32_t id;
    uint32_t position;
  };

  void BeginConnection();
  absl::Status Handle(proto::ConsoleRequest::Reader request);
  void HandleAttach(uint32_t id, uint16_t domid);
  void SendLog(uint32_t id, uint64_t position, uint32_t max_bytes);
  void SendDetached(DetachReason reason);
  void SendInput();
  void Queue(uint32_t id, const Fill& fill);
  // Whether the channel took it.
  bool Send(uint32_t id, const Fill& fill);
  void SendQueued();

  proto::Channel channel_;
  Journal& journal_;
  Multiplexer& multiplexer_;
  LogStore& log_;
  std::function<void()> read_offers_;
  proto::MessageBuilder builder_;
  uint32_t epoch_ = 0;
  std::deque<Fill> queue_;
  uint32_t taken_ = 0;         // to be answered
  uint32_t detaching_id_ = 0;  // of the request that is being handled
  std::optional<Flush> flush_;
  // The input that xl has not said to have. Not in the journal any more: after console's own death
  // it is not known whether xl acted on it, and no command must be carried out twice.
  std::string input_;
  uint32_t input_id_ = 0;
  bool input_sent_ = false;
};

}  // namespace pyrene::console
