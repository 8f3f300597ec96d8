// SPDX-License-Identifier: Apache-2.0
//
// The name service: channels between services that are made when a service asks for one. They live
// as long as their client's life; a server that restarts is offered them again.
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/ring.h"
#include "services/init/layout.h"
#include "services/init/supervisor.h"

namespace pyrene::init {
namespace {

// What a service may ask for (supervision.capnp, Connect).
constexpr size_t kMaxConnections = 8;
constexpr uint32_t kMaxRingBytes = 65536;
constexpr uint32_t kMaxPoolKib = 1024;

bool Holds(Service* service, const std::string& name) {
  return service != nullptr && service->offers().Has(name);
}

void Revoke(Service* service, const std::string& name) {
  if (service == nullptr) return;
  service->offers().Revoke(name);
  service->Pump();
}

}  // namespace

void Supervisor::Connect(Service& client, proto::Connect::Reader request) {
  const std::string name = std::string(request.getService().cStr()).substr(0, 23);
  Service* const server = Find(name);
  absl::Status status = server == nullptr || server == &client
                            ? absl::NotFoundError("there is no such service")
                            : MakeConnection(client, *server, request);
  if (!status.ok()) client.RefuseConnect(name, std::string(status.message()));
}

absl::Status Supervisor::MakeConnection(Service& client, Service& server,
                                        proto::Connect::Reader request) {
  const uint32_t ring = request.getRingBytes();
  if (!std::has_single_bit(ring) || ring < proto::kMinRingBytes || ring > kMaxRingBytes ||
      request.getPoolKib() > kMaxPoolKib) {
    return absl::InvalidArgumentError("sizes out of range");
  }
  size_t held = 0;
  for (const auto& connection : connections_) held += connection->client == &client ? 1 : 0;
  if (held >= kMaxConnections) return absl::ResourceExhaustedError("too many connections");
  const std::string name = absl::StrCat("link.", next_connection_++);
  absl::StatusOr<Link> link =
      Link::Create(world_.ram, name, request.getSchemaId(), ring, request.getPoolKib());
  if (!link.ok()) return link.status();
  ServiceOffer offer{name,
                     server.name(),
                     0,
                     request.getSchemaId(),
                     false,
                     kConnectBit,
                     link->cap(),
                     rights::kRead | rights::kWrite,
                     server.events(),
                     uint64_t{1} << kConnectBit};
  if (!client.offers().Add(offer)) return absl::ResourceExhaustedError("too many channels");
  offer.peer = client.name();
  offer.is_server = true;
  offer.wake = client.events();
  if (!server.offers().Add(offer)) {
    client.offers().Revoke(name);
    return absl::ResourceExhaustedError("the service has too many channels");
  }
  connections_.push_back(
      std::make_unique<Connection>(Connection{name, *std::move(link), &client, &server}));
  server.Pump();
  client.Pump();
  return absl::OkStatus();
}

void Supervisor::ForgetClient(const Service& service) {
  for (const auto& connection : connections_) {
    if (connection->client != &service) continue;
    Revoke(connection->client, connection->name);
    Revoke(connection->server, connection->name);
  }
}

void Supervisor::CheckConnections() {
  std::erase_if(connections_, [](const std::unique_ptr<Connection>& connection) {
    const bool client = Holds(connection->client, connection->name);
    const bool server = Holds(connection->server, connection->name);
    if (client && !server) Revoke(connection->client, connection->name);
    if (server && !client) Revoke(connection->server, connection->name);
    return !Holds(connection->client, connection->name) &&
           !Holds(connection->server, connection->name);
  });
}

}  // namespace pyrene::init
