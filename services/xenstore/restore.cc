// SPDX-License-Identifier: Apache-2.0
//
// A restarted store: from what its observer was told in the former life.
#include <algorithm>

#include "services/xenstore/server.h"

namespace pyrene::xenstore {
namespace {

constexpr uint64_t kLife = uint64_t{1} << 32;  // changes; more than one life makes

bool IsPath(std::string_view path) {
  std::string absolute;
  return !path.empty() && path.front() == '/' &&
         Canonicalize(path, kNobody, &absolute) == Error::kOk;
}

}  // namespace

bool Server::RestoreGeneration(uint64_t generation) {
  store_.SetGeneration(generation);
  return true;
}

bool Server::RestoreNode(std::string_view path, std::string_view value, const Perms& perms) {
  if (!IsPath(path) || perms.empty() || value.size() > kMaxPayload) return false;
  const Node* const node = store_.tree().Find(path);
  if (node == nullptr) {
    store_.Create(path, value, perms, kNoConnection, /*announce=*/false);
  } else {
    const bool new_perms = node->perms != perms;
    if (node->value != value) store_.SetValue(path, value, kNoConnection);
    if (new_perms) store_.SetPerms(path, perms, kNoConnection);
  }
  static_cast<void>(store_.TakeChanges());
  return true;
}

bool Server::RestoreNodeRemoved(std::string_view path) {
  if (!IsPath(path) || path == "/" || store_.tree().Find(path) == nullptr) return false;
  store_.Remove(path, kNoConnection);
  static_cast<void>(store_.TakeChanges());
  return true;
}

bool Server::RestoreSpecialPerms(std::string_view path, const Perms& perms) {
  if (!IsSpecial(path) || perms.empty()) return false;
  special_perms_.find(path)->second = perms;
  return true;
}

bool Server::RestoreConnection(ConnectionId id, Credential credential, bool ring,
                               uint32_t last_transaction) {
  if (id == kNoConnection || Find(id) != nullptr) return false;
  auto connection = std::make_unique<Connection>();
  connection->id = id;
  connection->credential = credential;
  connection->ring = ring;
  connection->last_transaction = last_transaction;
  connections_.emplace(id, std::move(connection));
  last_connection_ = std::max(last_connection_, id);
  return true;
}

bool Server::RestoreConnectionClosed(ConnectionId id) {
  if (!RestoreConnectionReset(id)) return false;
  connections_.erase(id);
  return true;
}

bool Server::RestoreConnectionReset(ConnectionId id) {
  Connection* const connection = Find(id);
  if (connection == nullptr) return false;
  DropAll(connection);
  std::erase_if(restored_transactions_, [id](const auto& entry) { return entry.first == id; });
  return true;
}

bool Server::RestoreWatch(const Watch& watch) {
  Connection* const connection = Find(watch.connection);
  if (connection == nullptr || (!IsPath(watch.path) && !IsSpecial(watch.path)) ||
      watch.home_length >= watch.path.size() || watch.token.size() > kMaxToken ||
      watches_.Find(watch.connection, watch.path, watch.token) != nullptr) {
    return false;
  }
  Account& account = store_.account(connection->credential.domid);
  ++account.watches;
  account.memory += watch.Bytes();
  connection->watches.emplace_back(watch.path, watch.token);
  connection->merged_events = connection->merged_events || watch.merged;
  watches_.Add(watch);
  return true;
}

bool Server::RestoreWatchRemoved(ConnectionId id, std::string_view path, std::string_view token) {
  Connection* const connection = Find(id);
  if (connection == nullptr) return false;
  const auto listed = std::find(connection->watches.begin(), connection->watches.end(),
                                std::pair(std::string(path), std::string(token)));
  if (listed == connection->watches.end()) return false;
  DropWatch(*connection, *listed);
  connection->watches.erase(listed);
  return true;
}

bool Server::RestoreWatchMerged(ConnectionId id, std::string_view path, std::string_view token,
                                bool merged) {
  Watch* const watch = watches_.Find(id, path, token);
  if (watch == nullptr) return false;
  watch->merged = merged;
  if (merged) Find(id)->merged_events = true;
  return true;
}

bool Server::RestoreTransaction(ConnectionId id, uint32_t transaction) {
  Connection* const connection = Find(id);
  if (connection == nullptr || transaction == 0) return false;
  connection->last_transaction = std::max(connection->last_transaction, transaction);
  return restored_transactions_.emplace(id, transaction).second;
}

bool Server::RestoreTransactionEnded(ConnectionId id, uint32_t transaction) {
  return restored_transactions_.erase({id, transaction}) != 0;
}

bool Server::RestoreOutput(ConnectionId id, std::string_view wire) {
  Connection* const connection = Find(id);
  if (connection == nullptr || wire.size() < kHeaderSize) return false;
  const Header header = Header::Decode(reinterpret_cast<const uint8_t*>(wire.data()));
  const std::string_view payload = wire.substr(kHeaderSize);
  if (header.length != payload.size() || header.length > kMaxPayload) return false;
  const uint64_t before = connection->output.bytes();
  if (header.type == static_cast<uint32_t>(MessageType::kWatchEvent)) {
    connection->output.PushEvent(payload);
  } else {
    connection->output.PushReply(header, payload);
  }
  store_.account(connection->credential.domid).memory += connection->output.bytes() - before;
  return true;
}

bool Server::RestoreOutputTaken(ConnectionId id, uint32_t messages) {
  Connection* const connection = Find(id);
  if (connection == nullptr || messages > connection->output.messages().size()) return false;
  const uint64_t before = connection->output.bytes();
  for (; messages != 0; --messages) connection->output.PopFront();
  store_.account(connection->credential.domid).memory -= before - connection->output.bytes();
  return true;
}

bool Server::RestoreDomain(DomId domid, const Domain& domain) {
  if (domid == kNobody || domid >= kFirstReserved || Find(domain.connection) == nullptr)
    return false;
  domains_[domid] = domain;
  return true;
}

bool Server::RestoreDomainReleased(DomId domid) {
  domains_.erase(domid);
  const auto account = store_.accounts().find(domid);
  if (account != store_.accounts().end() && account->second.IsZero()) store_.DropAccount(domid);
  return true;
}

void Server::EndRestore() {
  // What a client has seen of a count of changes must not come again with other contents.
  store_.SetGeneration(store_.generation() + kLife);
  std::vector<ConnectionId> services;
  for (const auto& [id, connection] : connections_) {
    if (!connection->ring) services.push_back(id);
  }
  for (const auto& [id, transaction] : std::exchange(restored_transactions_, {})) {
    Connection& connection = *Find(id);
    Transaction& open =
        connection.transactions.try_emplace(transaction, transaction, store_).first->second;
    open.Doom(store_);
    ++store_.account(connection.credential.domid).transactions;
    ++open_transactions_;
    Recharge(connection, &open);
  }
  for (const ConnectionId id : services) CloseConnection(id);
}

}  // namespace pyrene::xenstore
