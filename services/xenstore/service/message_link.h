// SPDX-License-Identifier: Apache-2.0
//
// One service's channel to XenStore: its typed requests become the protocol's, answers and watch
// events go back in order. The toolstack may do everything; a guest's VMM may act as the toolstack
// for that guest's own paths and for its introduction and release, and nothing else.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "proto/channel.h"
#include "proto/xenstore.capnp.h"
#include "services/xenstore/server.h"
#include "services/xenstore/service/vmm_authority.h"

namespace pyrene::xenstore {

class MessageLink {
 public:
  // `guest` 0: the toolstack; else the domid whose VMM this is.
  MessageLink(Server& server, proto::Channel channel, DomId guest);
  ~MessageLink();
  MessageLink(const MessageLink&) = delete;
  MessageLink& operator=(const MessageLink&) = delete;

  ConnectionId connection() const { return connection_; }
  // Of a guest's VMM: the tops of all that it may have made. The toolstack's is nobody's.
  std::vector<std::string> Trees() const {
    return vmm_.has_value() ? vmm_->Trees() : std::vector<std::string>();
  }
  // Handles requests, a bounded number, and sends what waits. True: there may be more to do at
  // once.
  bool Serve();

 private:
  struct Call {
    MessageType type;
    std::string payload;
  };

  // What the former life of this store knew of the VMM.
  void AdoptVmm(DomId guest);
  void Handle(proto::XenstoreRequest::Reader request);
  // Whether this client may ask for it, and whether it is done without doing anything.
  Error Allow(proto::XenstoreRequest::Reader request, bool* already_so);
  // The protocol's form; false if it has none.
  static bool Translate(proto::XenstoreRequest::Reader request, Call* call);
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
  DomId guest_;
  proto::Channel channel_;
  proto::MessageBuilder builder_;
  std::optional<VmmAuthority> vmm_;  // none: the toolstack
  uint32_t epoch_ = 0;
  ConnectionId connection_ = kNoConnection;
  std::deque<Out> out_;
};

}  // namespace pyrene::xenstore
