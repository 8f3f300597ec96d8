// SPDX-License-Identifier: Apache-2.0
#include "proto/channel.h"

#include <bit>
#include <memory>

#include "absl/strings/str_cat.h"
#include "runtime/guarded.h"
#include "runtime/log.h"

namespace pyrene::proto {

using runtime::GuardedLoad;
using runtime::GuardedStore;

Channel::Channel(std::string name, runtime::Memory memory, runtime::Notification peer, Side side,
                 uint64_t schema_id)
    : name_(std::move(name)),
      memory_(std::move(memory)),
      peer_(std::move(peer)),
      side_(side),
      schema_id_(schema_id),
      inbox_(std::make_unique<std::array<capnp::word, kMaxMessageWords>>()) {}

Channel::State Channel::Update() {
  if (memory_.size() < ChannelPage::kBytes) {
    if (state_ != State::kBroken) Break("its memory is smaller than a page");
    return state_;
  }
  uint32_t epoch;
  uint32_t peer_epoch;
  if (!GuardedLoad(&page()->epoch, epoch) ||
      !GuardedLoad(&page()->end[static_cast<size_t>(Other(side_))].epoch, peer_epoch)) {
    Fail(RingResult::kGone);
    return state_;
  }
  if (epoch != epoch_) {
    Connect(epoch);
    // The peer may have come up while we did, and has signalled then; loaded anew, for this epoch.
    if (!GuardedLoad(&page()->end[static_cast<size_t>(Other(side_))].epoch, peer_epoch))
      Fail(RingResult::kGone);
  }
  if (state_ == State::kConnecting && epoch_ != 0 && peer_epoch == epoch_) state_ = State::kUp;
  if (state_ == State::kUp && peer_epoch != epoch_)
    state_ = State::kConnecting;  // the peer broke it, or comes anew
  return state_;
}

void Channel::Connect(uint32_t epoch) {
  epoch_ = epoch;
  state_ = State::kConnecting;
  sent_ = false;
  received_ = false;
  if (absl::Status status = TakeGeometry(); !status.ok()) {
    Break(status.message());
    return;
  }
  if (out_.Reset() != RingResult::kOk || in_.Reset() != RingResult::kOk ||     // C1
      !GuardedStore(&page()->end[static_cast<size_t>(side_)].epoch, epoch)) {  // C2
    Fail(RingResult::kGone);
    return;
  }
  peer_.Signal();  // C3
}

absl::Status Channel::TakeGeometry() {
  uint64_t magic;
  uint64_t schema_id;
  uint32_t ring_bytes;
  ChannelPage* const p = page();
  if (!GuardedLoad(&p->magic, magic) || !GuardedLoad(&p->schema_id, schema_id) ||
      !GuardedLoad(&p->ring_bytes, ring_bytes)) {
    return runtime::MemoryGone();
  }
  if (magic != ChannelPage::kMagic) return absl::InvalidArgumentError("not a channel");
  if (schema_id != schema_id_) {
    return absl::InvalidArgumentError(
        absl::StrCat("schema 0x", absl::Hex(schema_id), ", not 0x", absl::Hex(schema_id_)));
  }
  const size_t fixed = ChannelPage::kBytes + 2 * size_t{ring_bytes};
  if (!std::has_single_bit(ring_bytes) || ring_bytes < kMinRingBytes ||
      ring_bytes > kMaxRingBytes || fixed > memory_.size() ||
      memory_.size() - fixed > kMaxPoolBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("rings of ", ring_bytes, " bytes in ", memory_.size()));
  }
  Ring ring[2];
  for (size_t i = 0; i < 2; ++i) {
    ring[i] = {&p->ring[i].producer, &p->ring[i].consumer,
               memory_.data() + ChannelPage::kBytes + i * ring_bytes, ring_bytes};
  }
  out_ = RingProducer(ring[static_cast<size_t>(side_)]);
  in_ = RingConsumer(ring[static_cast<size_t>(Other(side_))]);
  pool_ = Pool(memory_.data() + fixed, static_cast<uint32_t>(memory_.size() - fixed));
  return absl::OkStatus();
}

bool Channel::SameEpoch() const {
  uint32_t epoch;
  return GuardedLoad(&page()->epoch, epoch) && epoch == epoch_;
}

absl::Status Channel::Send(MessageBuilder& builder) {
  absl::StatusOr<kj::ArrayPtr<const capnp::word>> message = builder.Finish();
  if (!message.ok()) return message.status();
  return Send(*message);
}

absl::Status Channel::Send(kj::ArrayPtr<const capnp::word> message) {
  if (state_ != State::kUp)
    return absl::FailedPreconditionError(absl::StrCat(name_, ": not connected"));
  const RingResult result = out_.Send(message.begin(), message.size() * sizeof(capnp::word));
  switch (result) {
    case RingResult::kOk:
      sent_ = true;
      return absl::OkStatus();
    case RingResult::kWait:
      return absl::ResourceExhaustedError(absl::StrCat(name_, ": the peer does not keep up"));
    case RingResult::kTooLarge:
      return absl::InvalidArgumentError(absl::StrCat(name_, ": message larger than the ring"));
    case RingResult::kBad:
    case RingResult::kGone:
      break;
  }
  Fail(result);
  return absl::FailedPreconditionError(absl::StrCat(name_, ": not connected"));
}

bool Channel::Next(size_t& bytes) {
  if (state_ != State::kUp) return false;
  const RingResult result = in_.Receive(inbox_->data(), bytes);
  if (result == RingResult::kWait) return false;
  if (result != RingResult::kOk) {
    Fail(result);
    return false;
  }
  // Were the peer in its next life, its reset index could by chance look like one of this epoch:
  // then this is no message.
  if (!SameEpoch()) {
    Fail(RingResult::kBad);
    return false;
  }
  received_ = true;
  return true;
}

void Channel::Fail(RingResult result) {
  if (result == RingResult::kGone) {
    Break("the memory was taken away");
  } else if (SameEpoch()) {
    Break("ring indices out of range");
  } else {
    state_ = State::kConnecting;  // not a fault: the next Update takes the new epoch up
  }
}

void Channel::Expect() {
  if (state_ == State::kUp && in_.StayAwake() != RingResult::kOk) Fail(RingResult::kGone);
}

void Channel::Flush() {
  if (state_ != State::kUp) return;
  bool must = false;
  bool must_too = false;
  const RingResult to_consumer = sent_ ? out_.MustWakePeer(must) : RingResult::kOk;
  const RingResult to_producer = received_ ? in_.MustWakePeer(must_too) : RingResult::kOk;
  sent_ = false;
  received_ = false;
  if (must || must_too) peer_.Signal();
  if (to_consumer != RingResult::kOk || to_producer != RingResult::kOk) Fail(RingResult::kGone);
}

void Channel::Break(absl::string_view reason) {
  if (state_ == State::kBroken) return;
  state_ = State::kBroken;
  runtime::LogWarning("channel ", name_, ": connection ended: ", reason);
  if (memory_.size() < ChannelPage::kBytes) return;
  // If the memory is gone, so is the peer's view of it.
  if (GuardedStore(&page()->end[static_cast<size_t>(side_)].epoch, uint32_t{0})) peer_.Signal();
}

}  // namespace pyrene::proto
