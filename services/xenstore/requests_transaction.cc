// SPDX-License-Identifier: Apache-2.0
//
// TRANSACTION_START and TRANSACTION_END, and what keeps open transactions within bounds and lets
// them end well.
#include <algorithm>

#include "services/xenstore/request.h"

namespace pyrene::xenstore {

Error Server::StartTransaction(Request& request) {
  Connection& connection = *request.connection;
  if (request.transaction_id != 0) return Error::kBusy;
  Account& account = store_.account(request.caller.domid);
  if (!request.caller.privileged && (account.transactions >= request.quota->transactions ||
                                     account.memory > request.quota->memory)) {
    return Error::kNoSpace;
  }
  uint32_t id = connection.last_transaction;
  do {
    ++id;
  } while (id == 0 || connection.transactions.contains(id));
  connection.last_transaction = id;
  Transaction& opened = connection.transactions.try_emplace(id, id, store_).first->second;
  ++account.transactions;
  ++open_transactions_;
  Recharge(connection, &opened);
  if (!connection.rivals.empty() && connection.hold_until == 0 && options_.hold_ns != 0) {
    connection.hold_until = now_ns_ + options_.hold_ns;
    holders_.push_back(connection.id);
  }
  observer_->OnTransactionStarted(connection.id, id);
  request.reply = TextReply(std::to_string(id));
  return Error::kOk;
}

Error Server::EndTransaction(Request& request) {
  Connection& connection = *request.connection;
  if (request.transaction == nullptr) return Error::kNoEntry;
  bool commit = request.rest == std::string_view("T\0", 2);
  if (!commit && request.rest != std::string_view("F\0", 2)) return Error::kInvalid;

  auto ended = connection.transactions.extract(request.transaction_id);
  request.transaction = nullptr;
  Account& account = store_.account(request.caller.domid);
  account.memory -= ended.mapped().charged;
  --account.transactions;
  --open_transactions_;
  observer_->OnTransactionEnded(connection.id, request.transaction_id);
  if (connection.transactions.empty()) EndHold(&connection);

  Error result = commit ? Commit(&connection, ended.mapped()) : Error::kOk;
  if (result != Error::kAgain) connection.rivals.clear();
  if (open_transactions_ == 0) store_.ForgetReleases();
  return result;
}

Error Server::Commit(Connection* connection, const Transaction& transaction) {
  absl::flat_hash_set<ConnectionId> in_the_way;
  if (!transaction.IsCurrent(store_, &in_the_way)) {
    if (connection->ring) return Error::kAgain;
    for (ConnectionId id : in_the_way) {
      const Connection* rival = Find(id);
      if (rival != nullptr && rival->ring) connection->rivals.insert(id);
    }
    return Error::kAgain;
  }
  if (!connection->credential.privileged && transaction.own_nodes > 0) {
    // Each transaction had room for itself; together, or beside other requests, they may not have.
    uint64_t nodes = store_.account(connection->credential.domid).nodes;
    if (nodes + static_cast<uint64_t>(transaction.own_nodes) >
        QuotaOf(connection->credential.domid).nodes) {
      return Error::kNoSpace;
    }
  }
  transaction.Apply(&store_, connection->id);
  return Error::kOk;
}

void Server::Recharge(const Connection& connection, Transaction* transaction) {
  Account& account = store_.account(connection.credential.domid);
  uint64_t bytes = transaction->Bytes();
  account.memory = account.memory - transaction->charged + bytes;
  transaction->charged = bytes;
}

void Server::DropTransactions(Connection* connection) {
  Account& account = store_.account(connection->credential.domid);
  for (const auto& [id, transaction] : connection->transactions) {
    account.memory -= transaction.charged;
    --account.transactions;
    --open_transactions_;
    observer_->OnTransactionEnded(connection->id, id);
  }
  connection->transactions.clear();
  EndHold(connection);
  connection->rivals.clear();
}

void Server::DoomOldTransactions() {
  uint64_t retired = store_.retired_bytes();
  if (retired < next_doom_check_) return;
  // Looking at all transactions after each byte would cost more than the bytes.
  next_doom_check_ = retired + options_.snapshot_limit / 16;
  for (auto& [id, connection] : connections_) {
    if (connection->credential.privileged) continue;
    for (auto& [number, transaction] : connection->transactions) {
      if (retired - transaction.start_retired <= options_.snapshot_limit) continue;
      transaction.Doom(store_);
      Recharge(*connection, &transaction);
    }
  }
}

void Server::EndHold(Connection* connection) {
  if (connection->hold_until == 0) return;
  connection->hold_until = 0;
  holders_.erase(std::find(holders_.begin(), holders_.end(), connection->id));
  for (ConnectionId rival : connection->rivals) host_->Wake(rival);
}

}  // namespace pyrene::xenstore
