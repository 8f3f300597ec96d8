// SPDX-License-Identifier: Apache-2.0
#include "platform/block/block_client.h"

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pyrene::block {
namespace {

constexpr unsigned kBatch = 64;

}  // namespace

BlockClient::BlockClient(proto::Channel channel, Done done)
    : channel_(std::move(channel)), done_(std::move(done)) {}

bool BlockClient::OnWake() {
  if (channel_.Update() != proto::Channel::State::kUp) return false;
  if (channel_.epoch() != epoch_) {
    epoch_ = channel_.epoch();
    connected_ = false;
  }
  const bool more = channel_.Receive<proto::BlockEvent>(
      kBatch, [this](proto::BlockEvent::Reader event) { return Handle(event); });
  SendUnsent();
  channel_.Flush();
  return more;
}

absl::Status BlockClient::TakeFacts(proto::DiskFacts::Reader facts) {
  const uint32_t bytes = facts.getSectorBytes();
  if (!std::has_single_bit(bytes) || bytes < kSectorBytes || bytes > 4096 ||
      facts.getDepth() == 0 || facts.getDepth() > kMaxDepth) {
    return absl::InvalidArgumentError("a disk with values out of range");
  }
  facts_ = {facts.getSectors(),    bytes,
            facts.getReadOnly(),   facts.getMaxSectors(),
            facts.getMaxDiscard(), facts.getMedium()};
  depth_ = facts.getDepth();
  has_facts_ = true;
  if (connected_) return absl::OkStatus();
  connected_ = true;
  ++connections_;
  for (Slot& slot : slots_) slot.sent = false;
  return absl::OkStatus();
}

absl::Status BlockClient::Handle(proto::BlockEvent::Reader event) {
  if (event.isDisk()) return TakeFacts(event.getDisk());
  if (!event.isDone() || event.getDone().getStatus() > proto::BlockStatus::NO_MEDIUM)
    return absl::InvalidArgumentError("unknown event");
  const auto done = event.getDone();
  for (Slot& slot : slots_) {
    if (!slot.used || !slot.sent || slot.id != done.getId()) continue;
    slot.used = false;
    --unanswered_;
    done_(done.getId(), done.getStatus());
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("an answer to no request: ", done.getId()));
}

bool BlockClient::Send(Slot& slot) {
  auto message = builder_.Start<proto::BlockRequest>();
  message.setId(slot.id);
  const DiskRequest& request = slot.request;
  switch (request.operation) {
    case Operation::kRead:
    case Operation::kWrite: {
      auto transfer =
          request.operation == Operation::kRead ? message.initRead() : message.initWrite();
      transfer.setSector(request.sector);
      transfer.setCount(request.count);
      transfer.setOffset(request.offset);
      break;
    }
    case Operation::kDiscard: {
      auto range = message.initDiscard();
      range.setSector(request.sector);
      range.setCount(request.count);
      break;
    }
    case Operation::kFlush:
      message.setFlush();
      break;
  }
  slot.sent = channel_.Send(builder_).ok();
  return slot.sent;
}

void BlockClient::SendUnsent() {
  if (!connected_) return;
  for (;;) {
    Slot* next = nullptr;
    for (Slot& slot : slots_) {
      if (slot.used && !slot.sent && (next == nullptr || slot.order < next->order)) next = &slot;
    }
    if (next == nullptr || !Send(*next)) return;
  }
}

absl::Status BlockClient::Submit(uint32_t id, const DiskRequest& request) {
  Slot* free = nullptr;
  bool waiting = false;  // what was submitted before goes first
  for (Slot& slot : slots_) {
    if (!slot.used) {
      free = &slot;
      continue;
    }
    if (slot.id == id) return absl::AlreadyExistsError(absl::StrCat("request ", id));
    waiting |= !slot.sent;
  }
  if (free == nullptr || unanswered_ >= depth_) return absl::ResourceExhaustedError("block queue");
  *free = {true, false, id, next_order_++, request};
  ++unanswered_;
  if (connected_ && !waiting) Send(*free);
  return absl::OkStatus();
}

}  // namespace pyrene::block
