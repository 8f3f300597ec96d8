// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/out_queue.h"

namespace pyrene::xenstore {
namespace {

constexpr uint64_t kIndexOverhead =
    40;  // of an event's entry in the set of waiting ones, and of allocations

std::string_view PayloadOf(const OutQueue::Message& message) {
  return std::string_view(message.wire).substr(kHeaderSize);
}

}  // namespace

uint64_t OutQueue::CostOf(const Message& message) {
  return sizeof(Message) + kIndexOverhead + message.wire.size();
}

void OutQueue::Push(Message message) {
  bytes_ += CostOf(message);
  if (message.event) {
    event_bytes_ += CostOf(message);
  } else {
    ++replies_;
  }
  messages_.push_back(std::move(message));
}

void OutQueue::PushReply(const Header& header, std::string_view payload) {
  Push({EncodeMessage(header, payload), /*event=*/false, /*indexed=*/false});
}

void OutQueue::PushEvent(std::string_view payload) {
  Header header{static_cast<uint32_t>(MessageType::kWatchEvent), 0, 0,
                static_cast<uint32_t>(payload.size())};
  Push({EncodeMessage(header, payload), /*event=*/true, /*indexed=*/false});
  Message& message = messages_.back();
  message.indexed = pending_.insert(PayloadOf(message)).second;
}

void OutQueue::PopFront() {
  const Message& message = messages_.front();
  if (message.indexed) pending_.erase(PayloadOf(message));
  bytes_ -= CostOf(message);
  if (message.event) {
    event_bytes_ -= CostOf(message);
  } else {
    --replies_;
  }
  messages_.pop_front();
}

void OutQueue::Clear() { *this = OutQueue(); }

}  // namespace pyrene::xenstore
