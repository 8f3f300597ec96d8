// SPDX-License-Identifier: Apache-2.0
//
// What a connection has not yet been sent: replies and watch events, in order. An event equal to
// one that waits is not queued again: an event says "look", and who looks after reading the first
// sees what the second would have announced.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "services/xenstore/wire.h"

namespace pyrene::xenstore {

class OutQueue {
 public:
  struct Message {
    std::string wire;  // header and payload
    bool event = false;
    bool indexed = false;  // its payload is in pending_
  };

  bool empty() const { return messages_.empty(); }
  const Message& front() const { return messages_.front(); }
  size_t replies() const { return replies_; }
  uint64_t event_bytes() const { return event_bytes_; }
  // What the queue costs its connection's domain.
  uint64_t bytes() const { return bytes_; }
  const std::deque<Message>& messages() const { return messages_; }

  bool HasEvent(std::string_view payload) const { return pending_.contains(payload); }

  void PushReply(const Header& header, std::string_view payload);
  void PushEvent(std::string_view payload);
  void PopFront();
  void Clear();

  // What one message costs.
  static uint64_t CostOf(const Message& message);

 private:
  void Push(Message message);

  std::deque<Message> messages_;
  // Payloads of waiting events, each a part of a message's string, which does not move while it
  // waits.
  absl::flat_hash_set<std::string_view> pending_;
  size_t replies_ = 0;
  uint64_t event_bytes_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace pyrene::xenstore
