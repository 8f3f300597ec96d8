// SPDX-License-Identifier: Apache-2.0
//
// A service's side of its channel `init`: says when it is ready, answers pings, and hands on what
// init tells. Init kills a service that does not answer its pings within the manifest's heartbeat,
// so OnWake is to be called soon after each signal of bit().
//
// Single-threaded. Nothing blocks: what finds the ring full is sent at a later OnWake. Init is
// trusted: its messages are not counted.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/channel.h"
#include "proto/supervision.capnp.h"
#include "runtime/handle.h"

namespace pyrene::init {

// proto::ChannelOffer by value.
struct Offer {
  std::string name;
  std::string peer;
  uint16_t peer_domid = 0;
  uint64_t schema_id = 0;
  bool is_server = false;
  runtime::Handle memory = runtime::kNoHandle;
  runtime::Handle wake_peer = runtime::kNoHandle;
  unsigned bit = 0;
  proto::Disk::Reader disk = {};  // during the call of `offered` only
};

class SupervisionClient {
 public:
  // All are optional. They are called from OnWake and may call the methods below.
  struct Handlers {
    // Map it, then Taken(offer.name). The two capabilities are the service's until Closed.
    std::function<void(const Offer& offer)> offered;
    // Forget it and delete its two capabilities, then Closed(name).
    std::function<void(const std::string& name)> revoked;
    std::function<void(const std::string& service, const std::string& reason)> connect_refused;
    std::function<void()> clock_set;
    // All that a former life had, and is not gone, was offered. Once.
    std::function<void()> offers_told;
    // End in order; the domain is destroyed after one heartbeat.
    std::function<void()> stop;
  };

  // NotFound: init gave no such channel.
  static absl::StatusOr<std::unique_ptr<SupervisionClient>> Open(Handlers handlers);

  // Of the service's `events`: what init signals.
  unsigned bit() const { return bit_; }
  // At the start, and whenever bit() was signalled.
  void OnWake();

  // The service has adopted its state and serves; once.
  void Ready();
  void Taken(const std::string& name);
  void Closed(const std::string& name);
  // It can not go on and ends now; `reason` is for the log.
  void Failed(absl::string_view reason);
  // Asks the name service for a channel; the answer is an offer or connect_refused.
  void Connect(const std::string& service, uint64_t schema_id, uint32_t ring_bytes,
               uint32_t pool_kib);

 private:
  // Fills one request; kept until it is sent.
  using Fill = std::function<void(proto::SupervisionRequest::Builder)>;

  SupervisionClient(proto::Channel channel, unsigned bit, Handlers handlers);
  void Handle(proto::SupervisionEvent::Reader event);
  void Queue(Fill fill);
  void SendQueued();

  proto::Channel channel_;
  unsigned bit_;
  Handlers handlers_;
  proto::MessageBuilder builder_;
  std::deque<Fill> queue_;
};

// What main of a service ends with. An error is said in the log and to init, if there is a channel
// with it.
int ExitStatus(const absl::Status& status, SupervisionClient* supervision);

}  // namespace pyrene::init
