// SPDX-License-Identifier: Apache-2.0
//
// One service's channel to XenStore: its typed requests become the protocol's, answers and watch
// events go back in order. The toolstack may do everything; a guest's VMM may act as the toolstack
// for that guest's own paths and for its introduction and release, and nothing else.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "proto/channel.h"
#include "proto/xenstore.capnp.h"
#include "services/xenstore/server.h"

namespace pyrene::xenstore {

class MessageLink {
 public:
  // `guest` 0: the toolstack; else the domid whose VMM this is.
  MessageLink(Server& server, proto::Channel channel, DomId guest)
      : server_(server), channel_(std::move(channel)), guest_(guest) {}
  ~MessageLink();
  MessageLink(const MessageLink&) = delete;
  MessageLink& operator=(const MessageLink&) = delete;

  ConnectionId connection() const { return connection_; }
  // Handles requests, a bounded number, and sends what waits. True: there may be more to do at
  // once.
  bool Serve();

 private:
  struct Call {
    MessageType type;
    std::string payload;
  };

  void Handle(proto::XenstoreRequest::Reader request);
  // The protocol's form; an error if this client may not ask for it.
  Error Translate(proto::XenstoreRequest::Reader request, Call* call);
  bool MayTouch(const std::string& path);
  bool MayName(uint16_t domid) const { return guest_ == 0 || domid == guest_; }
  void Send();

  struct Out {
    bool event;
    uint32_t id;
    Error error;
    std::string first;   // value, or path
    std::string second;  // token
  };
  static constexpr size_t kMaxWaiting = 64;

  Server& server_;
  proto::Channel channel_;
  proto::MessageBuilder builder_;
  DomId guest_;
  uint32_t epoch_ = 0;
  ConnectionId connection_ = kNoConnection;
  std::deque<Out> out_;
  std::set<std::string> vms_;  // below /vm that this VMM has made
};

}  // namespace pyrene::xenstore
