// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/server.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/xenstore/request.h"

namespace pyrene::xenstore {

Server::Server(ServerHost* host, MutationObserver* observer, const ServerOptions& options)
    : host_(host),
      observer_(observer != nullptr ? observer : &unobserved_),
      options_(options),
      store_(observer_) {
  for (std::string_view name : {kIntroduceDomain, kReleaseDomain}) {
    special_perms_[std::string(name)] = {{kNobody, kNoAccess}};
  }
}

Server::~Server() = default;

ConnectionId Server::OpenService(Credential credential) {
  return OpenConnection(credential, /*ring=*/false).id;
}

void Server::CloseService(ConnectionId connection) { CloseConnection(connection); }

Reply Server::HandleRequest(ConnectionId connection, uint32_t type, uint32_t transaction,
                            std::string_view payload) {
  Connection* from = Find(connection);
  if (from == nullptr) return {Error::kIo, TextReply("EIO")};
  Begin();
  Reply reply = Execute(from, type, transaction, payload);
  End();
  return reply;
}

std::optional<Server::Event> Server::NextEvent(ConnectionId connection) {
  Connection* from = Find(connection);
  if (from == nullptr || from->output.empty()) return std::nullopt;
  std::string_view payload = std::string_view(from->output.front().wire).substr(kHeaderSize);
  size_t end = payload.find('\0');
  Event event{std::string(payload.substr(0, end)),
              std::string(payload.substr(end + 1, payload.size() - end - 2))};
  PopOutput(from);
  return event;
}

bool Server::MayRead(ConnectionId connection) const {
  const Connection* from = Find(connection);
  if (from == nullptr) return false;
  for (ConnectionId holder : holders_) {
    if (Find(holder)->rivals.contains(connection)) return false;
  }
  const Quota& quota = QuotaOf(from->credential.domid);
  auto account = store_.accounts().find(from->credential.domid);
  bool heavy = account != store_.accounts().end() && account->second.memory > quota.memory_soft;
  return from->output.replies() < (heavy ? 1 : quota.outstanding);
}

void Server::HandleRingRequest(ConnectionId connection, const Header& header,
                               std::string_view payload, const RingState& ring) {
  Connection* from = Find(connection);
  if (from == nullptr) return;
  Begin();
  Reply reply = Execute(from, header.type, header.transaction_id, payload);
  Header answer = header;
  if (reply.error != Error::kOk) answer.type = static_cast<uint32_t>(MessageType::kError);
  answer.length = static_cast<uint32_t>(reply.payload.size());
  QueueReply(from, answer, reply.payload);
  NoteRing(connection, ring);
  End();
}

const OutQueue* Server::Output(ConnectionId connection) const {
  const Connection* from = Find(connection);
  return from == nullptr ? nullptr : &from->output;
}

void Server::TakeOutput(ConnectionId connection, const RingState& ring) {
  Begin();
  if (Connection* from = Find(connection)) PopOutput(from);
  NoteRing(connection, ring);
  End();
}

void Server::Reset(ConnectionId connection) {
  Connection* from = Find(connection);
  if (from == nullptr) return;
  DropAll(from);
  observer_->OnConnectionReset(connection);
}

void Server::NoteRing(ConnectionId connection, const RingState& state) {
  observer_->OnRing(connection, state);
}

void Server::AdvanceTime(uint64_t now_ns) {
  now_ns_ = now_ns;
  for (size_t i = holders_.size(); i-- > 0;) {
    Connection* holder = Find(holders_[i]);
    if (holder->hold_until <= now_ns) EndHold(holder);
  }
}

uint64_t Server::Deadline() const {
  uint64_t earliest = ~uint64_t{0};
  for (const ConnectionId holder : holders_) {
    earliest = std::min(earliest, connections_.at(holder)->hold_until);
  }
  return earliest;
}

const Quota& Server::QuotaOf(DomId domid) const {
  return FindDomain(domid) != nullptr ? options_.guest_quota : options_.service_quota;
}

uint64_t Server::Room() const {
  if (options_.capacity == ~uint64_t{0}) return options_.capacity;
  uint64_t taken = (options_.max_guests - domains_.size()) * options_.guest_share;
  for (const auto& [domid, account] : store_.accounts()) {
    taken +=
        domains_.contains(domid) ? std::max(account.memory, options_.guest_share) : account.memory;
  }
  return options_.capacity - std::min(options_.capacity, taken);
}

Connection* Server::Find(ConnectionId id) {
  auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

const Connection* Server::Find(ConnectionId id) const {
  return const_cast<Server*>(this)->Find(id);
}

Caller Server::CallerOf(const Connection& connection) const {
  Caller caller{connection.credential.domid, kNobody, connection.credential.privileged};
  if (const Domain* domain = FindDomain(caller.domid)) caller.target = domain->target;
  return caller;
}

Connection& Server::OpenConnection(Credential credential, bool ring) {
  auto connection = std::make_unique<Connection>();
  connection->id = ++last_connection_;
  connection->credential = credential;
  connection->ring = ring;
  observer_->OnConnectionOpened(connection->id, credential, ring);
  return *connections_.emplace(connection->id, std::move(connection)).first->second;
}

void Server::CloseConnection(ConnectionId id) {
  Connection* connection = Find(id);
  if (connection == nullptr) return;
  DropAll(connection);
  connections_.erase(id);
  observer_->OnConnectionClosed(id);
}

void Server::DropAll(Connection* connection) {
  DropWatches(connection);
  DropTransactions(connection);
  store_.account(connection->credential.domid).memory -= connection->output.bytes();
  connection->output.Clear();
}

void Server::QueueReply(Connection* connection, const Header& header, std::string_view payload) {
  uint64_t before = connection->output.bytes();
  connection->output.PushReply(header, payload);
  store_.account(connection->credential.domid).memory += connection->output.bytes() - before;
  observer_->OnOutputQueued(connection->id, connection->output.messages().back().wire);
}

void Server::PopOutput(Connection* connection) {
  uint64_t before = connection->output.bytes();
  connection->output.PopFront();
  store_.account(connection->credential.domid).memory -= before - connection->output.bytes();
  observer_->OnOutputTaken(connection->id);
  uint64_t limit = QuotaOf(connection->credential.domid).events;
  if (connection->merged_events && connection->output.event_bytes() <= limit / 2) {
    DeliverMerged(connection);
  }
}

void Server::Begin() {
  if (nesting_++ == 0) observer_->OnBegin();
}

void Server::End() {
  if (--nesting_ != 0) return;
  FireAll();
  DoomOldTransactions();
  observer_->OnEnd();
}

absl::Status Server::CheckAccounts() const {
  std::map<DomId, Account> counted;
  ForEachNode(store_.tree().root(), "/", [&](const Node& node, std::string_view) {
    Account& owner = counted[node.perms[0].domid];
    ++owner.nodes;
    owner.memory += node.Bytes();
  });
  watches_.ForEach([&](const Watch& watch) {
    Account& owner = counted[Find(watch.connection)->credential.domid];
    ++owner.watches;
    owner.memory += watch.Bytes();
  });
  for (const auto& [id, connection] : connections_) {
    Account& owner = counted[connection->credential.domid];
    owner.transactions += connection->transactions.size();
    for (const auto& [number, transaction] : connection->transactions) {
      owner.memory += transaction.Bytes();
    }
    for (const OutQueue::Message& message : connection->output.messages()) {
      owner.memory += OutQueue::CostOf(message);
    }
  }
  std::map<DomId, Account> booked = store_.accounts();
  for (const auto& [domid, account] : counted) booked.try_emplace(domid);
  for (const auto& [domid, account] : booked) {
    if (counted[domid] == account) continue;
    return absl::InternalError(absl::StrCat("domain ", domid, ": ", account.nodes, " nodes, ",
                                            account.watches, " watches, ", account.transactions,
                                            " transactions, ", account.memory, " bytes booked"));
  }
  return absl::OkStatus();
}

}  // namespace pyrene::xenstore
