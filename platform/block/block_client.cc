// SPDX-License-Identifier: Apache-2.0
#include "platform/block/block_client.h"

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/block/wire_form.h"

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
  const bool more = channel_.ReceiveWords(kBatch, [this](kj::ArrayPtr<const capnp::word> message) {
    if (const auto done = DecodeDone(message)) return HandleDone(done->id, done->status);
    return proto::ReadMessage<proto::BlockEvent>(
        message, [this](proto::BlockEvent::Reader event) { return Handle(event); });
  });
  SendUnsent();
  channel_.Flush();
  return more;
}

template <typename Visit>
void BlockClient::ForEach(uint64_t bits, Visit visit) {
  for (; bits != 0; bits &= bits - 1) visit(static_cast<size_t>(std::countr_zero(bits)));
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
  unsent_ = used_;
  return absl::OkStatus();
}

absl::Status BlockClient::Handle(proto::BlockEvent::Reader event) {
  if (event.isDisk()) return TakeFacts(event.getDisk());
  if (!event.isDone()) return absl::InvalidArgumentError("unknown event");
  return HandleDone(event.getDone().getId(), event.getDone().getStatus());
}

absl::Status BlockClient::HandleDone(uint32_t id, proto::BlockStatus status) {
  if (status > proto::BlockStatus::NO_MEDIUM) return absl::InvalidArgumentError("unknown event");
  const size_t found = Find(id, used_ & ~unsent_);
  if (found == kMaxDepth)
    return absl::InvalidArgumentError(absl::StrCat("an answer to no request: ", id));
  used_ &= ~(uint64_t{1} << found);
  --unanswered_;
  done_(id, status);
  return absl::OkStatus();
}

size_t BlockClient::Find(uint32_t id, uint64_t among) const {
  const size_t home = id % kMaxDepth;
  if ((among >> home & 1) != 0 && slots_[home].id == id) return home;
  size_t found = kMaxDepth;
  ForEach(among & strays_, [&](size_t index) {
    if (slots_[index].id == id) found = index;
  });
  return found;
}

bool BlockClient::Send(size_t index) {
  const DiskRequest& request = slots_[index].request;
  const bool transfer =
      request.operation == Operation::kRead || request.operation == Operation::kWrite;
  const absl::Status sent = transfer
                                ? channel_.Send(Message(EncodeTransfer(slots_[index].id, request)))
                                : SendOther(slots_[index]);
  if (!sent.ok()) return false;
  unsent_ &= ~(uint64_t{1} << index);
  return true;
}

absl::Status BlockClient::SendOther(const Slot& slot) {
  auto message = builder_.Start<proto::BlockRequest>();
  message.setId(slot.id);
  if (slot.request.operation == Operation::kDiscard) {
    auto range = message.initDiscard();
    range.setSector(slot.request.sector);
    range.setCount(slot.request.count);
  } else {
    message.setFlush();
  }
  return channel_.Send(builder_);
}

void BlockClient::SendUnsent() {
  while (connected_ && unsent_ != 0) {
    size_t next = kMaxDepth;
    ForEach(unsent_, [&](size_t index) {
      if (next == kMaxDepth || slots_[index].order < slots_[next].order) next = index;
    });
    if (!Send(next)) return;
  }
}

absl::Status BlockClient::Submit(uint32_t id, const DiskRequest& request) {
  if (Find(id, used_) != kMaxDepth) return absl::AlreadyExistsError(absl::StrCat("request ", id));
  if (used_ == ~uint64_t{0} || unanswered_ >= depth_)
    return absl::ResourceExhaustedError("block queue");
  const size_t home = id % kMaxDepth;
  const bool strays = (used_ >> home & 1) != 0;
  const size_t index = strays ? static_cast<size_t>(std::countr_one(used_)) : home;
  strays_ = (strays_ & ~(uint64_t{1} << index)) | uint64_t{strays} << index;
  // What was submitted before goes first.
  const bool waiting = unsent_ != 0;
  slots_[index] = {id, next_order_++, request};
  used_ |= uint64_t{1} << index;
  unsent_ |= uint64_t{1} << index;
  ++unanswered_;
  if (connected_ && !waiting) Send(index);
  return absl::OkStatus();
}

}  // namespace pyrene::block
