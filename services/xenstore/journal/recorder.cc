// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/journal/recorder.h"

#include <algorithm>
#include <utility>

#include "runtime/kill_point.h"

namespace pyrene::xenstore {
namespace {

using proto::XenstoreRecord;

capnp::Text::Reader Text(std::string_view text) { return {text.data(), text.size()}; }

capnp::Data::Reader Data(std::string_view bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

// Strings in the store are no C strings: Cap'n Proto wants the NUL behind the last byte.
template <typename Builder>
void SetPath(Builder builder, std::string_view path) {
  auto text = builder.initPath(static_cast<unsigned>(path.size()));
  std::copy(path.begin(), path.end(), text.begin());
}

template <typename Builder>
void SetToken(Builder builder, std::string_view token) {
  auto text = builder.initToken(static_cast<unsigned>(token.size()));
  std::copy(token.begin(), token.end(), text.begin());
}

template <typename Builder>
void SetPermissions(Builder builder, const Perms& perms) {
  auto list = builder.initPermissions(static_cast<unsigned>(perms.size()));
  for (unsigned i = 0; i < list.size(); ++i)
    list.set(i, uint32_t{perms[i].access} << 16 | perms[i].domid);
}

void SetWatch(proto::JournalWatch::Builder builder, const Watch& watch) {
  builder.setConnection(watch.connection);
  SetPath(builder, watch.path);
  SetToken(builder, watch.token);
  builder.setDepth(watch.depth);
  builder.setHomeLength(watch.home_length);
  builder.setMerged(watch.merged);
}

void SetDomain(proto::JournalDomain::Builder builder, DomId domid, const Domain& domain) {
  builder.setDomid(domid);
  builder.setShutDown(domain.shut_down);
  builder.setGfn(domain.gfn);
  builder.setPort(domain.port);
  builder.setTarget(domain.target);
  builder.setConnection(domain.connection);
}

void SetDirectory(proto::VmmDirectory::Builder builder, DomId domid, std::string_view path) {
  builder.setDomid(domid);
  SetPath(builder, path);
}

}  // namespace

template <typename Fill>
void Recorder::Put(Fill fill) {
  if (log_ == nullptr || full_half_) return;
  fill(builder_.Start<XenstoreRecord>());
  const auto message = builder_.Finish();
  // No record is larger than a message: the protocol's payload and a list of permissions.
  if (!message.ok()) {
    full_half_ = true;
    return;
  }
  static_assert(sizeof(capnp::word) == sizeof(uint64_t));
  full_half_ =
      !log_->Append({reinterpret_cast<const uint64_t*>(message->begin()), message->size()});
}

void Recorder::Start(journal::Log* log, const Server* server,
                     std::map<ConnectionId, RingState> rings) {
  log_ = log;
  server_ = server;
  for (const auto& [id, connection] : server->connections()) {
    Client& client = clients_[id];
    client.guest = connection->ring;
    client.written = connection->output.messages().size();
    if (const auto ring = rings.find(id); ring != rings.end()) {
      client.ring = std::move(ring->second);
      client.has_ring = true;
    }
  }
}

Recorder::Client& Recorder::Touch(ConnectionId id) {
  Client& client = clients_[id];
  if (!std::exchange(client.dirty, true)) dirty_.push_back(id);
  return client;
}

void Recorder::Forget(Client& client) {
  client.written = 0;
  client.taken = 0;
  client.pending.clear();
}

void Recorder::OnNodeSet(std::string_view path, std::string_view value, const Perms& perms) {
  Put([&](XenstoreRecord::Builder record) {
    auto node = record.initNodeSet();
    SetPath(node, path);
    node.setValue(Data(value));
    SetPermissions(node, perms);
  });
}

void Recorder::OnNodeRemoved(std::string_view path) {
  Put([&](XenstoreRecord::Builder record) {
    auto text = record.initNodeRemoved(static_cast<unsigned>(path.size()));
    std::copy(path.begin(), path.end(), text.begin());
  });
}

void Recorder::OnSpecialPerms(std::string_view path, const Perms& perms) {
  Put([&](XenstoreRecord::Builder record) {
    auto node = record.initSpecialPermissions();
    SetPath(node, path);
    SetPermissions(node, perms);
  });
}

void Recorder::OnConnectionOpened(ConnectionId id, Credential credential, bool ring) {
  if (log_ == nullptr) return;
  clients_[id] = {};
  clients_[id].guest = ring;
  Put([&](XenstoreRecord::Builder record) {
    auto connection = record.initConnectionOpened();
    connection.setId(id);
    connection.setDomid(credential.domid);
    connection.setPrivileged(credential.privileged);
    connection.setRing(ring);
  });
}

void Recorder::OnConnectionClosed(ConnectionId id) {
  if (log_ == nullptr) return;
  clients_.erase(id);
  std::erase(dirty_, id);
  Put([&](XenstoreRecord::Builder record) { record.setConnectionClosed(id); });
}

void Recorder::OnConnectionReset(ConnectionId id) {
  if (log_ == nullptr) return;
  Forget(clients_[id]);
  Put([&](XenstoreRecord::Builder record) { record.setConnectionReset(id); });
}

void Recorder::OnWatchAdded(const Watch& watch) {
  Put([&](XenstoreRecord::Builder record) { SetWatch(record.initWatchAdded(), watch); });
}

void Recorder::OnWatchRemoved(ConnectionId id, std::string_view path, std::string_view token) {
  Put([&](XenstoreRecord::Builder record) {
    auto watch = record.initWatchRemoved();
    watch.setConnection(id);
    SetPath(watch, path);
    SetToken(watch, token);
  });
}

void Recorder::OnWatchMerged(const Watch& watch) {
  Put([&](XenstoreRecord::Builder record) { SetWatch(record.initWatchMerged(), watch); });
}

void Recorder::OnTransactionStarted(ConnectionId id, uint32_t transaction) {
  Put([&](XenstoreRecord::Builder record) {
    auto open = record.initTransactionStarted();
    open.setConnection(id);
    open.setId(transaction);
  });
}

void Recorder::OnTransactionEnded(ConnectionId id, uint32_t transaction) {
  Put([&](XenstoreRecord::Builder record) {
    auto open = record.initTransactionEnded();
    open.setConnection(id);
    open.setId(transaction);
  });
}

void Recorder::OnOutputQueued(ConnectionId id, std::string_view wire) {
  if (log_ != nullptr && clients_[id].guest) Touch(id).pending.emplace_back(wire);
}

void Recorder::OnOutputTaken(ConnectionId id) {
  if (log_ == nullptr || !clients_[id].guest) return;
  Client& client = Touch(id);
  if (client.taken < client.written) {
    ++client.taken;
  } else {
    client.pending.pop_front();
  }
}

void Recorder::OnRing(ConnectionId id, const RingState& state) {
  if (log_ == nullptr) return;
  Client& client = Touch(id);
  client.ring = state;
  client.has_ring = true;
}

void Recorder::OnDomainSet(DomId domid, const Domain& domain) {
  Put([&](XenstoreRecord::Builder record) { SetDomain(record.initDomainSet(), domid, domain); });
}

void Recorder::OnDomainReleased(DomId domid) {
  Put([&](XenstoreRecord::Builder record) { record.setDomainReleased(domid); });
}

void Recorder::OnVmmDirectory(DomId domid, std::string_view path) {
  Put([&](XenstoreRecord::Builder record) {
    SetDirectory(record.initVmmDirectory(), domid, path);
  });
}

void Recorder::PutOutput(ConnectionId id, std::string_view wire) {
  Put([&](XenstoreRecord::Builder record) {
    auto output = record.initOutputQueued();
    output.setConnection(id);
    output.setWire(Data(wire));
  });
}

void Recorder::PutRing(ConnectionId id, const RingState& state) {
  Put([&](XenstoreRecord::Builder record) {
    auto ring = record.initRing();
    ring.setConnection(id);
    ring.setRequestConsumer(state.request_consumer);
    ring.setReplyProducer(state.reply_producer);
    ring.setOutputOffset(state.output_offset);
    ring.setError(static_cast<uint32_t>(state.error));
    ring.setInput(Data(state.input));
  });
}

void Recorder::PutClient(ConnectionId id, Client& client) {
  if (client.taken != 0) {
    Put([&](XenstoreRecord::Builder record) {
      auto taken = record.initOutputTaken();
      taken.setConnection(id);
      taken.setMessages(client.taken);
    });
  }
  for (const std::string& wire : client.pending) PutOutput(id, wire);
  if (client.has_ring) PutRing(id, client.ring);
  client.written += client.pending.size() - client.taken;
  client.taken = 0;
  client.pending.clear();
  client.dirty = false;
}

void Recorder::OnSync() {
  if (log_ == nullptr) return;
  for (const ConnectionId id : std::exchange(dirty_, {})) PutClient(id, clients_.at(id));
  if (full_half_ || log_->used() > snapshot_bytes_ + std::max(kLeastChanges, snapshot_bytes_))
    return Compact();
  log_->Commit();
}

void Recorder::PutConnection(const Connection& connection) {
  Put([&](XenstoreRecord::Builder record) {
    auto opened = record.initConnection();
    opened.setId(connection.id);
    opened.setDomid(connection.credential.domid);
    opened.setPrivileged(connection.credential.privileged);
    opened.setRing(connection.ring);
    opened.setLastTransaction(connection.last_transaction);
  });
  for (const auto& [id, transaction] : connection.transactions) {
    OnTransactionStarted(connection.id, id);
  }
  if (!connection.ring) return;
  for (const OutQueue::Message& message : connection.output.messages())
    PutOutput(connection.id, message.wire);
  const Client& client = clients_[connection.id];
  if (client.has_ring) PutRing(connection.id, client.ring);
}

void Recorder::Compact() {
  ++compactions_;
  full_half_ = false;
  log_->BeginCompaction();
  runtime::KillPoint("compaction.begun");
  Put([&](XenstoreRecord::Builder record) { record.setGeneration(server_->store().generation()); });
  ForEachNode(server_->store().tree().root(), "/", [&](const Node& node, std::string_view path) {
    Put([&](XenstoreRecord::Builder record) {
      auto snapshot = record.initSnapshotNode();
      snapshot.setDepth(static_cast<uint16_t>(DepthOf(path)));
      snapshot.setName(Text(node.name));
      snapshot.setValue(Data(node.value));
      SetPermissions(snapshot, node.perms);
    });
  });
  for (const auto& [path, perms] : server_->special_perms()) OnSpecialPerms(path, perms);
  for (const auto& [id, connection] : server_->connections()) PutConnection(*connection);
  // In the order in which each client set them: the order in which it hears of one change.
  for (const auto& [id, connection] : server_->connections()) {
    for (const auto& [path, token] : connection->watches) {
      if (const Watch* const watch = server_->watches().Find(id, path, token)) OnWatchAdded(*watch);
    }
  }
  for (const auto& [domid, domain] : server_->domains()) OnDomainSet(domid, domain);
  for (const auto& [domid, path] : server_->vmm_directories()) OnVmmDirectory(domid, path);
  if (full_half_) return full_();
  runtime::KillPoint("compaction.written");
  log_->Commit();
  snapshot_bytes_ = log_->used();
}

}  // namespace pyrene::xenstore
