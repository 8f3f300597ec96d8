// SPDX-License-Identifier: Apache-2.0
#include "services/console/xl_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pyrene::console {
namespace {

constexpr unsigned kBatch = 16;
constexpr size_t kMaxQueued = 16;
constexpr uint32_t kMaxLogBytes = 4096;

capnp::Data::Reader DataOf(absl::string_view text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

}  // namespace

XlLink::XlLink(proto::Channel channel, Journal& journal, Multiplexer& multiplexer, LogStore& log,
               std::function<void()> read_offers)
    : channel_(std::move(channel)),
      journal_(journal),
      multiplexer_(multiplexer),
      log_(log),
      read_offers_(std::move(read_offers)) {
  multiplexer_.OnDetached([this](DetachReason reason) { SendDetached(reason); });
}

bool XlLink::Serve() {
  if (channel_.Update() != proto::Channel::State::kUp) return false;
  if (channel_.epoch() != epoch_) BeginConnection();
  bool more = true;
  for (unsigned i = 0; more && i < kBatch; ++i) {
    if (queue_.size() >= kMaxQueued || !multiplexer_.HasRoomToWrite()) break;
    more = channel_.Receive<proto::ConsoleRequest>(
        1, [this](proto::ConsoleRequest::Reader request) { return Handle(request); });
  }
  if (flush_.has_value() && multiplexer_.HasLeft(flush_->position)) {
    Queue(flush_->id, [](auto event) { event.setFlushed(); });
    flush_.reset();
  }
  SendQueued();
  SendInput();
  channel_.Flush();
  return more && queue_.empty() && multiplexer_.HasRoomToWrite();
}

void XlLink::BeginConnection() {
  // Init starts one epoch for each new life of either end. If console's own is the only one since
  // the last connection, xl is the same as then, and may repeat text.
  const bool same_xl = epoch_ == 0 && channel_.epoch() == journal_.xl_epoch() + 1;
  if (!same_xl) multiplexer_.ForgetIds();
  epoch_ = channel_.epoch();
  journal_.SetXlEpoch(epoch_);
  queue_.clear();
  taken_ = 0;
  flush_.reset();
  input_sent_ = false;
  if (const uint16_t domid = multiplexer_.attached(); domid != 0) {
    Queue(0, [domid](auto event) { event.setAttached(domid); });
  } else {
    SendDetached(DetachReason::kRequested);
  }
}

absl::Status XlLink::Handle(proto::ConsoleRequest::Reader request) {
  const uint32_t id = request.getId();
  switch (request.which()) {
    case proto::ConsoleRequest::TERMINAL_WRITE: {
      const auto text = request.getTerminalWrite().asChars();
      if (text.size() == 0 || text.size() > Multiplexer::kMaxWrite) {
        return absl::InvalidArgumentError(absl::StrCat("terminalWrite of ", text.size(), " bytes"));
      }
      multiplexer_.Write(id, {text.begin(), text.size()});
      if (id != 0) taken_ = id;
      break;
    }
    case proto::ConsoleRequest::ATTACH:
      HandleAttach(id, request.getAttach());
      break;
    case proto::ConsoleRequest::DETACH:
      detaching_id_ = id;
      if (multiplexer_.attached() != 0) {
        multiplexer_.Detach(DetachReason::kRequested);
      } else {
        SendDetached(DetachReason::kRequested);
      }
      detaching_id_ = 0;
      break;
    case proto::ConsoleRequest::READ_LOG: {
      const proto::LogRead::Reader read = request.getReadLog();
      SendLog(id, read.getPosition(), std::min(read.getMaxBytes(), kMaxLogBytes));
      break;
    }
    case proto::ConsoleRequest::CLEAR_LOG:
      log_.Clear();
      break;
    case proto::ConsoleRequest::FLUSH:
      if (flush_.has_value()) Queue(flush_->id, [](auto event) { event.setFailed("superseded"); });
      flush_ = Flush{id, multiplexer_.WritePosition()};
      break;
    case proto::ConsoleRequest::INPUT_TAKEN:
      if (input_sent_ && id == input_id_) input_.clear();
      break;
    default:
      return absl::InvalidArgumentError("a request that is not xl's");
  }
  return absl::OkStatus();
}

void XlLink::HandleAttach(uint32_t id, uint16_t domid) {
  if (multiplexer_.FindGuest(domid) == nullptr) read_offers_();
  if (const absl::Status status = multiplexer_.Attach(domid); !status.ok()) {
    const std::string reason(status.message());
    Queue(id, [reason](auto event) { event.setFailed(reason.c_str()); });
    return;
  }
  Queue(id, [domid](auto event) { event.setAttached(domid); });
}

void XlLink::SendLog(uint32_t id, uint64_t position, uint32_t max_bytes) {
  const LogStore::Part part = log_.Read(position, max_bytes);
  Queue(id, [part](auto event) {
    auto log = event.initLog();
    log.setPosition(part.position);
    log.setText(DataOf(part.text));
  });
}

void XlLink::SendDetached(DetachReason reason) {
  if (!connected()) return;
  Queue(detaching_id_, [reason](auto event) {
    event.setDetached(reason == DetachReason::kEscape      ? proto::DetachReason::ESCAPE
                      : reason == DetachReason::kGuestGone ? proto::DetachReason::GUEST_GONE
                                                           : proto::DetachReason::REQUESTED);
  });
  SendQueued();
  channel_.Flush();
}

void XlLink::SendInput() {
  if (input_.empty()) {
    if (multiplexer_.attached() != 0 || multiplexer_.input().empty()) return;
    input_ = std::string(multiplexer_.input().Front(kInputBytes));
    multiplexer_.input().Consume(static_cast<uint32_t>(input_.size()));
    ++input_id_;
    input_sent_ = false;
  }
  if (input_sent_) return;
  input_sent_ = Send(input_id_, [this](auto event) { event.setInput(DataOf(input_)); });
}

bool XlLink::Send(uint32_t id, const Fill& fill) {
  auto event = builder_.Start<proto::ConsoleEvent>();
  event.setId(id);
  fill(event);
  return channel_.Send(builder_).ok();
}

void XlLink::Queue(uint32_t id, const Fill& fill) {
  queue_.push_back([id, fill](auto event) {
    event.setId(id);
    fill(event);
  });
}

void XlLink::SendQueued() {
  if (taken_ != 0 && Send(taken_, [](auto event) { event.setTaken(); })) taken_ = 0;
  while (!queue_.empty() && Send(0, queue_.front())) queue_.pop_front();
}

}  // namespace pyrene::console
