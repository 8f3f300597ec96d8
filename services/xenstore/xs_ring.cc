// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/xs_ring.h"

#include <algorithm>

#include "runtime/kill_point.h"

namespace pyrene::xenstore {
namespace {

absl::Span<uint8_t> BytesOf(std::string* text, size_t from) {
  return absl::MakeSpan(reinterpret_cast<uint8_t*>(text->data()), text->size()).subspan(from);
}

absl::Span<const uint8_t> BytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// How many of `bytes` at a free-running index lie before the end of the ring.
uint32_t BeforeWrap(uint32_t index, uint32_t bytes) {
  return std::min(bytes, kRingSize - index % kRingSize);
}

}  // namespace

RingServer::Health RingServer::Attach(uint32_t features) {
  RingState state;
  uint32_t request_producer = 0;
  uint32_t reply_consumer = 0;
  uint32_t bytes = 0;
  // Linux does not take it for granted that a ring begins at index 0, and neither may we.
  bool loaded = page_->Load32(kRequestConsumer, &state.request_consumer) &&
                page_->Load32(kRequestProducer, &request_producer) &&
                page_->Load32(kReplyConsumer, &reply_consumer) &&
                page_->Load32(kReplyProducer, &state.reply_producer);
  if (!loaded) {
    Gone();
    return health_;
  }
  if (!Distance(request_producer, state.request_consumer, &bytes) ||
      !Distance(state.reply_producer, reply_consumer, &bytes)) {
    return health_;
  }
  bool stored = page_->Store32(kFeaturesField, features) && page_->Store32(kConnectionField, 0);
  if (!stored) {
    Gone();
    return health_;
  }
  return Begin(features, std::move(state));
}

RingServer::Health RingServer::Resume(uint32_t features, RingState state) {
  uint32_t request_producer = 0;
  uint32_t reply_consumer = 0;
  if (!page_->Load32(kRequestProducer, &request_producer) ||
      !page_->Load32(kReplyConsumer, &reply_consumer)) {
    Gone();
  } else if (state.error == RingError::kNone &&
             (request_producer - state.request_consumer > kRingSize ||
              state.reply_producer - reply_consumer > kRingSize)) {
    health_ = Health::kBroken;
  } else {
    return Begin(features, std::move(state));
  }
  return health_;
}

RingServer::Health RingServer::Begin(uint32_t features, RingState state) {
  features_ = features;
  state_ = std::move(state);
  health_ = state_.error == RingError::kNone ? Health::kOk : Health::kBroken;
  server_->NoteRing(connection_, state_);
  published_consumer_ = state_.request_consumer;
  published_producer_ = state_.reply_producer;
  bool stored = page_->Store32(kRequestConsumer, state_.request_consumer) &&
                page_->Store32(kReplyProducer, state_.reply_producer) &&
                page_->Store32(kErrorField, static_cast<uint32_t>(state_.error));
  if (!stored) Gone();
  return health_;
}

RingServer::Result RingServer::Process(uint32_t max_requests) {
  notify_ = false;
  bool more = false;
  bool serving = health_ == Health::kOk && Reconnect() && SendOutput();
  for (uint32_t done = 0; serving && server_->MayRead(connection_); ++done) {
    bool complete = false;
    serving = ReadInput(&complete);
    if (!serving || !complete) break;
    if (done == max_requests) {
      more = true;
      break;
    }
    std::string message = std::exchange(state_.input, {});
    Header header = Header::Decode(BytesOf(message).data());
    runtime::KillPoint("ring.request-read");  // R1
    server_->HandleRingRequest(connection_, header, std::string_view(message).substr(kHeaderSize),
                               state_);
    runtime::KillPoint("ring.executed");  // R2
    serving = SendOutput() && Publish();
  }
  return {health_, notify_, more && health_ == Health::kOk};
}

bool RingServer::Reconnect() {
  if (!(features_ & kFeatureReconnect)) return true;
  uint32_t wanted = 0;
  if (!page_->Load32(kConnectionField, &wanted)) return Gone();
  if (wanted == 0) return true;
  server_->Reset(connection_);
  state_ = RingState();
  published_consumer_ = published_producer_ = 0;
  server_->NoteRing(connection_, state_);
  server_->Sync();
  notify_ = true;
  bool stored = page_->Store32(kRequestConsumer, 0) && page_->Store32(kRequestProducer, 0) &&
                page_->Store32(kReplyConsumer, 0) && page_->Store32(kReplyProducer, 0) &&
                page_->Store32(kErrorField, 0) && page_->Store32(kConnectionField, 0);
  return stored || Gone();
}

bool RingServer::SendOutput() {
  const OutQueue* output = server_->Output(connection_);
  // The guest's index is loaded again after each store of ours: a guest that made room before it
  // saw the ring full sends no event.
  while (output != nullptr && !output->empty()) {
    uint32_t consumer = 0;
    uint32_t used = 0;
    if (!page_->Load32(kReplyConsumer, &consumer)) return Gone();
    if (!Distance(state_.reply_producer, consumer, &used)) return false;
    if (used == kRingSize) return true;
    for (uint32_t room = kRingSize - used; room > 0 && !output->empty();) {
      std::string_view rest = output->front().wire;
      rest.remove_prefix(state_.output_offset);
      uint32_t bytes =
          BeforeWrap(state_.reply_producer, std::min(room, static_cast<uint32_t>(rest.size())));
      uint32_t offset = kReplyRing + state_.reply_producer % kRingSize;
      if (!page_->CopyOut(offset, BytesOf(rest.substr(0, bytes)))) return Gone();
      state_.reply_producer += bytes;
      state_.output_offset += bytes;
      room -= bytes;
      if (bytes == rest.size()) {
        state_.output_offset = 0;
        server_->TakeOutput(connection_, state_);
      }
    }
    if (!Publish()) return false;
  }
  return true;
}

bool RingServer::ReadInput(bool* complete) {
  // Each pass reads one piece: the header, the payload, or as much of them as lies before the end
  // of the ring.
  uint32_t producer = 0;
  uint32_t available = 0;
  if (!page_->Load32(kRequestProducer, &producer)) return Gone();
  if (!Distance(producer, state_.request_consumer, &available)) return false;
  while (true) {
    size_t have = state_.input.size();
    size_t want = kHeaderSize;
    if (have >= kHeaderSize) {
      uint32_t length = Header::Decode(BytesOf(state_.input).data()).length;
      if (length > kMaxPayload) return Break(RingError::kProtocol);
      want += length;
      *complete = have == want;
    }
    if (*complete || available == 0) break;
    uint32_t bytes = BeforeWrap(state_.request_consumer,
                                std::min(available, static_cast<uint32_t>(want - have)));
    state_.input.resize(have + bytes);
    uint32_t offset = kRequestRing + state_.request_consumer % kRingSize;
    if (!page_->CopyIn(offset, BytesOf(&state_.input, have))) return Gone();
    state_.request_consumer += bytes;
    available -= bytes;
  }
  // Behind a whole request the index follows with the reply, at the cost of one record.
  return *complete || Publish();
}

bool RingServer::Distance(uint32_t producer, uint32_t consumer, uint32_t* bytes) {
  *bytes = producer - consumer;
  return *bytes <= kRingSize || Break(RingError::kIndex);
}

bool RingServer::Publish() {
  const bool consumed = published_consumer_ != state_.request_consumer;
  const bool produced = published_producer_ != state_.reply_producer;
  if (!consumed && !produced) return true;
  server_->NoteRing(connection_, state_);
  runtime::KillPoint("ring.reply-written");  // R3
  server_->Sync();                           // R4
  notify_ = true;
  published_consumer_ = state_.request_consumer;
  published_producer_ = state_.reply_producer;
  if (consumed && !page_->Store32(kRequestConsumer, published_consumer_)) return Gone();  // R5
  runtime::KillPoint("ring.consumer-stored");
  if (produced && !page_->Store32(kReplyProducer, published_producer_)) return Gone();
  runtime::KillPoint("ring.indices-stored");
  return true;
}

bool RingServer::Gone() {
  health_ = Health::kGone;
  return false;
}

bool RingServer::Break(RingError error) {
  health_ = Health::kBroken;
  state_.error = error;
  state_.input.clear();
  state_.output_offset = 0;
  server_->Reset(connection_);
  server_->NoteRing(connection_, state_);
  server_->Sync();
  notify_ = true;
  if (!page_->Store32(kErrorField, static_cast<uint32_t>(error))) return Gone();
  return false;
}

}  // namespace pyrene::xenstore
