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
  if (!event.isDone() || event.getDone().getStatus() > proto::BlockStatus::NO_MEDIUM)
    return absl::InvalidArgumentError("unknown event");
  const auto done = event.getDone();
  size_t found = kMaxDepth;
  ForEach(used_ & ~unsent_, [&](size_t index) {
    if (slots_[index].id == done.getId()) found = index;
  });
  if (found == kMaxDepth)
    return absl::InvalidArgumentError(absl::StrCat("an answer to no request: ", done.getId()));
  used_ &= ~(uint64_t{1} << found);
  --unanswered_;
  done_(done.getId(), done.getStatus());
  return absl::OkStatus();
}

bool BlockClient::Send(size_t index) {
  const Slot& slot = slots_[index];
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
  if (!channel_.Send(builder_).ok()) return false;
  unsent_ &= ~(uint64_t{1} << index);
  return true;
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
  bool twice = false;
  ForEach(used_, [&](size_t index) { twice |= slots_[index].id == id; });
  if (twice) return absl::AlreadyExistsError(absl::StrCat("request ", id));
  if (used_ == ~uint64_t{0} || unanswered_ >= depth_)
    return absl::ResourceExhaustedError("block queue");
  const auto index = static_cast<size_t>(std::countr_one(used_));
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
