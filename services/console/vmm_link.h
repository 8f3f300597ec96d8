// SPDX-License-Identifier: Apache-2.0
//
// The message channel of one guest's VMM (proto/console.capnp): text that the guest wrote by
// hypercall, and its starts and stops. Hostile: a VMM that a guest has taken over reaches that
// guest's console and nothing else.
#pragma once

#include <cstdint>
#include <utility>

#include "proto/channel.h"
#include "proto/console.capnp.h"
#include "services/console/guest_console.h"

namespace pyrene::console {

class VmmLink {
 public:
  explicit VmmLink(proto::Channel channel) : channel_(std::move(channel)) {}

  enum class Left : uint8_t {
    kNothing,
    kMore,     // to be served again
    kBlocked,  // until the guest's output was shown
  };
  // Handles messages, a bounded number. `attached`: only while their text has room.
  Left Serve(GuestConsole& guest, bool attached);

 private:
  absl::Status Handle(proto::ConsoleRequest::Reader request, GuestConsole& guest);
  void Answer();

  proto::Channel channel_;
  proto::MessageBuilder builder_;
  uint32_t epoch_ = 0;
  uint32_t taken_ = 0;  // to be answered
};

}  // namespace pyrene::console
