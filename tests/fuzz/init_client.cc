// SPDX-License-Identifier: Apache-2.0
//
// Init's events to a service: what the service says to each comes once, in their order, with the
// same numbers and names.
#include <deque>
#include <string>
#include <utility>

#include "proto/message.h"
#include "services/init/client/supervision_client.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::SupervisionEvent)

namespace pyrene::init {
namespace {

using fuzz::Require;
using proto::SupervisionEvent;
using proto::SupervisionRequest;
using Words = kj::ArrayPtr<const capnp::word>;

// What a service answers that takes every channel.
std::string AnswerTo(SupervisionEvent::Reader event) {
  switch (event.which()) {
    case SupervisionEvent::PING:
      return "pong " + std::to_string(event.getPing());
    case SupervisionEvent::CHANNEL_OFFERED:
      return std::string("taken ") + event.getChannelOffered().getName().cStr();
    case SupervisionEvent::CHANNEL_REVOKED:
      return std::string("closed ") + event.getChannelRevoked().cStr();
    case SupervisionEvent::CONNECT_REFUSED:
      return std::string("connect ") + event.getConnectRefused().getService().cStr();
    case SupervisionEvent::OFFERS_TOLD:
      return "ready";
    case SupervisionEvent::STOP:
      return "failed stopped";
    default:
      return "";
  }
}

std::string TextOf(SupervisionRequest::Reader request) {
  switch (request.which()) {
    case SupervisionRequest::PONG:
      return "pong " + std::to_string(request.getPong());
    case SupervisionRequest::CHANNEL_TAKEN:
      return std::string("taken ") + request.getChannelTaken().cStr();
    case SupervisionRequest::CHANNEL_CLOSED:
      return std::string("closed ") + request.getChannelClosed().cStr();
    case SupervisionRequest::CONNECT:
      return std::string("connect ") + request.getConnect().getService().cStr();
    case SupervisionRequest::READY:
      return "ready";
    case SupervisionRequest::FAILED:
      return std::string("failed ") + request.getFailed().cStr();
  }
  return "?";
}

void Play(fuzz::Peer& peer, const uint8_t* data, size_t bytes) {
  std::unique_ptr<SupervisionClient> client;
  SupervisionClient::Handlers handlers;
  handlers.offered = [&](const Offer& offer) { client->Taken(offer.name); };
  handlers.revoked = [&](const std::string& name) { client->Closed(name); };
  handlers.connect_refused = [&](const std::string& service, const std::string&) {
    client->Connect(service, 1, 4096, 0);
  };
  handlers.offers_told = [&] { client->Ready(); };
  handlers.stop = [&] { client->Failed("stopped"); };
  peer.GiveAs("init");
  auto opened = SupervisionClient::Open(std::move(handlers));
  Require(opened.ok());
  client = *std::move(opened);
  peer.Connect();
  client->OnWake();
  for (const auto& message : proto::MessageMutator::Split(data, bytes)) {
    std::string expected;
    proto::ReadMessage<SupervisionEvent>(
        Words(reinterpret_cast<const capnp::word*>(message.data()), message.size()),
        [&expected](SupervisionEvent::Reader event) {
          expected = AnswerTo(event);
          return absl::OkStatus();
        })
        .IgnoreError();
    const bool sent = peer.Send(message);
    client->OnWake();
    std::string said;
    peer.Drain([&said](uint8_t* words, size_t length) {
      Require(said.empty());
      const absl::Status read = proto::ReadMessage<SupervisionRequest>(
          Words(reinterpret_cast<capnp::word*>(words), length / sizeof(capnp::word)),
          [&said](SupervisionRequest::Reader request) {
            said = TextOf(request);
            return absl::OkStatus();
          });
      Require(read.ok());
    });
    const bool broken = peer.Broken();
    // A field of another type than the schema's ends the connection when it has been read.
    Require(said == (sent ? expected : "") || (broken && said.empty()));
    if (broken) {
      peer.Connect();
      client->OnWake();
    }
  }
}

}  // namespace
}  // namespace pyrene::init

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  static auto& peer =
      *new fuzz::Peer(proto::SchemaId<proto::SupervisionRequest>(), proto::Side::kServer);
  init::Play(peer, data, bytes);
  return 0;
}
