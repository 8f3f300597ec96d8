// SPDX-License-Identifier: Apache-2.0
#include "services/init/client/supervision_client.h"

#include <cstdlib>
#include <utility>

#include "proto/connect.h"
#include "runtime/log.h"

namespace pyrene::init {
namespace {

constexpr unsigned kBatch = 16;
constexpr size_t kMaxReason = 200;

}  // namespace

SupervisionClient::SupervisionClient(proto::Channel channel, unsigned bit, Handlers handlers)
    : channel_(std::move(channel)), bit_(bit), handlers_(std::move(handlers)) {}

absl::StatusOr<std::unique_ptr<SupervisionClient>> SupervisionClient::Open(Handlers handlers) {
  absl::StatusOr<proto::NamedChannel> named = proto::OpenChannel(
      "init", proto::Side::kClient, proto::SchemaId<proto::SupervisionRequest>());
  if (!named.ok()) return named.status();
  return std::unique_ptr<SupervisionClient>(
      new SupervisionClient(std::move(named->channel), named->bit, std::move(handlers)));
}

void SupervisionClient::OnWake() {
  if (channel_.Update() != proto::Channel::State::kUp) return;
  const auto handle = [this](proto::SupervisionEvent::Reader event) {
    Handle(event);
    return absl::OkStatus();
  };
  while (channel_.Receive<proto::SupervisionEvent>(kBatch, handle)) {
  }
  SendQueued();
}

void SupervisionClient::Handle(proto::SupervisionEvent::Reader event) {
  switch (event.which()) {
    case proto::SupervisionEvent::PING: {
      const uint64_t number = event.getPing();
      Queue([number](auto request) { request.setPong(number); });
      break;
    }
    case proto::SupervisionEvent::CHANNEL_OFFERED: {
      const proto::ChannelOffer::Reader offer = event.getChannelOffered();
      if (!handlers_.offered) break;
      handlers_.offered({offer.getName().cStr(), offer.getPeer().cStr(), offer.getPeerDomid(),
                         offer.getSchemaId(), offer.getIsServer(), offer.getMemory(),
                         offer.getWakePeer(), offer.getBit(), offer.getDisk()});
      break;
    }
    case proto::SupervisionEvent::CHANNEL_REVOKED:
      if (handlers_.revoked) handlers_.revoked(event.getChannelRevoked().cStr());
      break;
    case proto::SupervisionEvent::CONNECT_REFUSED: {
      const proto::Refusal::Reader refusal = event.getConnectRefused();
      if (!handlers_.connect_refused) break;
      handlers_.connect_refused(refusal.getService().cStr(), refusal.getReason().cStr());
      break;
    }
    case proto::SupervisionEvent::STOP:
      if (handlers_.stop) handlers_.stop();
      break;
    case proto::SupervisionEvent::CLOCK_SET:
      if (handlers_.clock_set) handlers_.clock_set();
      break;
    case proto::SupervisionEvent::OFFERS_TOLD:
      if (handlers_.offers_told) handlers_.offers_told();
      break;
  }
}

void SupervisionClient::Ready() {
  Queue([](auto request) { request.setReady(); });
}

void SupervisionClient::Taken(const std::string& name) {
  Queue([name](auto request) { request.setChannelTaken(name.c_str()); });
}

void SupervisionClient::Closed(const std::string& name) {
  Queue([name](auto request) { request.setChannelClosed(name.c_str()); });
}

void SupervisionClient::Failed(absl::string_view reason) {
  const std::string text(reason.substr(0, kMaxReason));
  Queue([text](auto request) { request.setFailed(text.c_str()); });
}

void SupervisionClient::Connect(const std::string& service, uint64_t schema_id, uint32_t ring_bytes,
                                uint32_t pool_kib) {
  Queue([=](auto request) {
    auto connect = request.initConnect();
    connect.setService(service.c_str());
    connect.setSchemaId(schema_id);
    connect.setRingBytes(ring_bytes);
    connect.setPoolKib(pool_kib);
  });
}

void SupervisionClient::Queue(Fill fill) {
  queue_.push_back(std::move(fill));
  SendQueued();
}

void SupervisionClient::SendQueued() {
  while (!queue_.empty()) {
    queue_.front()(builder_.Start<proto::SupervisionRequest>());
    if (!channel_.Send(builder_).ok()) break;
    queue_.pop_front();
  }
  channel_.Flush();
}

int ExitStatus(const absl::Status& status, SupervisionClient* supervision) {
  if (status.ok()) return EXIT_SUCCESS;
  runtime::LogError(status.message());
  if (supervision != nullptr) supervision->Failed(status.message());
  return EXIT_FAILURE;
}

}  // namespace pyrene::init
