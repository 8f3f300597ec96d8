// SPDX-License-Identifier: Apache-2.0
//
// Writes what a server tells its observer into a journal (proto/xenstore_journal.capnp). At each
// OnSync all of it becomes valid at once. When the half in use is full, or holds more changes than
// state, the server's whole state goes into the other one instead (services/journal/log.h): so the
// next life reads at most kLeastChanges, or twice the state, and a change costs the writing of its
// own size once more on average.
//
// Output that is queued and sent between two OnSync, and all positions of a ring but the last, are
// left out: a request and its reply cost one record beside what they change. Output of services is
// left out wholly: their connections end with this life (Server::EndRestore).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proto/message.h"
#include "proto/xenstore_journal.capnp.h"
#include "services/journal/log.h"
#include "services/xenstore/server.h"
#include "services/xenstore/xs_ring.h"

namespace pyrene::xenstore {

class Recorder final : public MutationObserver {
 public:
  // Bytes of changes that are worth a compaction of the smallest state: some thousand requests.
  static constexpr size_t kLeastChanges = 64 * 1024;

  // `full` is called if the state does not fit into a half, which quotas should prevent; it must
  // not return to the server.
  explicit Recorder(std::function<void()> full) : full_(std::move(full)) {}

  // From here on what is told is written. Both outlive this. `rings` are those of the restored
  // connections.
  void Start(journal::Log* log, const Server* server, std::map<ConnectionId, RingState> rings);
  // The next OnSync writes the whole state.
  void Renew() { full_half_ = true; }

  void OnNodeSet(std::string_view path, std::string_view value, const Perms& perms) override;
  void OnNodeRemoved(std::string_view path) override;
  void OnSpecialPerms(std::string_view path, const Perms& perms) override;
  void OnConnectionOpened(ConnectionId id, Credential credential, bool ring) override;
  void OnConnectionClosed(ConnectionId id) override;
  void OnConnectionReset(ConnectionId id) override;
  void OnWatchAdded(const Watch& watch) override;
  void OnWatchRemoved(ConnectionId id, std::string_view path, std::string_view token) override;
  void OnWatchMerged(const Watch& watch) override;
  void OnTransactionStarted(ConnectionId id, uint32_t transaction) override;
  void OnTransactionEnded(ConnectionId id, uint32_t transaction) override;
  void OnOutputQueued(ConnectionId id, std::string_view wire) override;
  void OnOutputTaken(ConnectionId id) override;
  void OnRing(ConnectionId id, const RingState& state) override;
  void OnDomainSet(DomId domid, const Domain& domain) override;
  void OnDomainReleased(DomId domid) override;
  void OnVmmDirectory(DomId domid, std::string_view path) override;
  void OnSync() override;

  // How often the whole state was written.
  uint64_t compactions() const { return compactions_; }

 private:
  struct Client {
    bool guest = false;
    size_t written = 0;               // messages of output that the journal has
    uint32_t taken = 0;               // of these, since the last OnSync
    std::deque<std::string> pending;  // queued since, and not taken
    RingState ring;
    bool has_ring = false;  // it was told
    bool dirty = false;     // listed in dirty_
  };

  template <typename Fill>
  void Put(Fill fill);
  Client& Touch(ConnectionId id);
  void Forget(Client& client);
  void PutClient(ConnectionId id, Client& client);
  void PutOutput(ConnectionId id, std::string_view wire);
  void PutRing(ConnectionId id, const RingState& state);
  void PutConnection(const Connection& connection);
  void Compact();

  std::function<void()> full_;
  journal::Log* log_ = nullptr;
  const Server* server_ = nullptr;
  proto::MessageBuilder builder_;
  std::map<ConnectionId, Client> clients_;
  std::vector<ConnectionId> dirty_;
  size_t snapshot_bytes_ = 0;  // of the half in use, the state that it began with; 0: not known
  bool full_half_ = false;     // something did not fit: what is to be valid next is the whole state
  uint64_t compactions_ = 0;
};

}  // namespace pyrene::xenstore
