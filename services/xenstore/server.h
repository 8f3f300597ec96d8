// SPDX-License-Identifier: Apache-2.0
//
// The XenStore: connections, domains, requests, watch events. Knows no transport: guests' rings are
// served by RingServer, services' messages are passed to HandleRequest by whoever receives them.
// One thread.
//
// A request's reply is queued, or returned, before the watch events that the request causes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "services/xenstore/connection.h"
#include "services/xenstore/store.h"
#include "services/xenstore/view.h"
#include "services/xenstore/watch.h"

namespace pyrene::xenstore {

// What the store needs of the program around it. These are called in the middle of things: they
// must not call the server, except for what RingServer::Attach does.
class ServerHost {
 public:
  virtual ~ServerHost() = default;

  // A guest is introduced, or again with another ring: map its ring page and make a RingServer for
  // `connection`. An error refuses the introduction.
  virtual absl::Status MapRing(DomId domid, const Domain& domain) = 0;
  // The guest is released or about to be mapped anew.
  virtual void UnmapRing(DomId domid, ConnectionId connection) = 0;
  // There may be something to do for a connection that had nothing to do: output to send, or
  // requests that may be read again.
  virtual void Wake(ConnectionId connection) = 0;
};

struct ServerOptions {
  Quota guest_quota;
  Quota service_quota = kServiceQuota;
  // Bytes of all accounts together: what there is memory and journal for. Of that, each guest that
  // is there, or may yet come, has `guest_share` for itself: what its quota allows, with its unread
  // output. The privileged get ENOSPC when they would take from it.
  uint64_t capacity = ~uint64_t{0};
  uint64_t guest_share = 0;
  size_t max_guests = ~size_t{0};
  uint64_t snapshot_limit = kSnapshotLimit;  // transaction.h
  // How long a guest waits for a service's repeated transaction at most.
  uint64_t hold_ns = 50'000'000;
};

class Server {
 public:
  // `observer` may be null. Both outlive the server.
  Server(ServerHost* host, MutationObserver* observer, const ServerOptions& options = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // --- Services. The domid must not be a guest's.
  ConnectionId OpenService(Credential credential);
  void CloseService(ConnectionId connection);
  // `transaction` 0 is none. Watch events wait for NextEvent.
  Reply HandleRequest(ConnectionId connection, uint32_t type, uint32_t transaction,
                      std::string_view payload);
  struct Event {
    std::string path;
    std::string token;
  };
  std::optional<Event> NextEvent(ConnectionId connection);

  // --- Guests' rings: for RingServer.
  // Whether another request may be read: its output is short enough and no service holds it.
  bool MayRead(ConnectionId connection) const;
  // `ring` is the state behind the request, and behind the message: for the observer it changes at
  // once with the rest.
  void HandleRingRequest(ConnectionId connection, const Header& header, std::string_view payload,
                         const RingState& ring);
  // The output of a connection; null if it does not exist.
  const OutQueue* Output(ConnectionId connection) const;
  // The front of the output, which must not be empty, has been put into the ring wholly.
  void TakeOutput(ConnectionId connection, const RingState& ring);
  // Drops watches, transactions and output: the guest reconnects, restarts, or broke the protocol.
  void Reset(ConnectionId connection);
  void NoteRing(ConnectionId connection, const RingState& state);

  // To be called before a client can see anything of what was done: a ring's index, a reply.
  void Sync() { observer_->OnSync(); }

  // --- Domains: also reached by the requests of the same names.
  Error Introduce(DomId domid, uint64_t gfn, uint32_t port);
  // The domain is gone: its connection, its nodes and its id in others' permissions go too.
  Error Release(DomId domid);
  // The domain stopped by itself: who watches @releaseDomain is told.
  Error ShutDown(DomId domid);
  const Domain* FindDomain(DomId domid) const;

  // Tells the time, in nanoseconds of a clock that does not go back. Ends holds that have lasted
  // too long.
  void AdvanceTime(uint64_t now_ns);
  // When AdvanceTime has something to do; ~0: never.
  uint64_t Deadline() const;

  // --- The directory below /vm that a guest's VMM made; empty: none.
  const std::string& VmmDirectory(DomId domid) const;
  void SetVmmDirectory(DomId domid, const std::string& path);

  // --- After a restart, before anything else: what the observer of the former life was told, in
  // the same order (services/xenstore/journal/restore.h). The observer hears nothing of it. False:
  // impossible after what came before.
  [[nodiscard]] bool RestoreGeneration(uint64_t generation);
  [[nodiscard]] bool RestoreNode(std::string_view path, std::string_view value, const Perms& perms);
  [[nodiscard]] bool RestoreNodeRemoved(std::string_view path);
  [[nodiscard]] bool RestoreSpecialPerms(std::string_view path, const Perms& perms);
  [[nodiscard]] bool RestoreConnection(ConnectionId id, Credential credential, bool ring,
                                       uint32_t last_transaction);
  [[nodiscard]] bool RestoreConnectionClosed(ConnectionId id);
  [[nodiscard]] bool RestoreConnectionReset(ConnectionId id);
  [[nodiscard]] bool RestoreWatch(const Watch& watch);
  [[nodiscard]] bool RestoreWatchRemoved(ConnectionId id, std::string_view path,
                                         std::string_view token);
  [[nodiscard]] bool RestoreWatchMerged(ConnectionId id, std::string_view path,
                                        std::string_view token, bool merged);
  [[nodiscard]] bool RestoreTransaction(ConnectionId id, uint32_t transaction);
  [[nodiscard]] bool RestoreTransactionEnded(ConnectionId id, uint32_t transaction);
  [[nodiscard]] bool RestoreOutput(ConnectionId id, std::string_view wire);
  [[nodiscard]] bool RestoreOutputTaken(ConnectionId id, uint32_t messages);
  [[nodiscard]] bool RestoreDomain(DomId domid, const Domain& domain);
  [[nodiscard]] bool RestoreDomainReleased(DomId domid);
  // After the last of them: connections of services are closed, for they begin anew with each life
  // of either end; open transactions can not be committed any more.
  void EndRestore();

  const Store& store() const { return store_; }
  const std::map<ConnectionId, std::unique_ptr<Connection>>& connections() const {
    return connections_;
  }
  const WatchTable& watches() const { return watches_; }
  const std::map<DomId, Domain>& domains() const { return domains_; }
  const std::map<std::string, Perms, std::less<>>& special_perms() const { return special_perms_; }
  const std::map<DomId, std::string>& vmm_directories() const { return vmm_directories_; }
  const Quota& QuotaOf(DomId domid) const;
  // Counts all accounts afresh and compares: an error names the first that differs.
  absl::Status CheckAccounts() const;

 private:
  struct Request;
  struct Operation;

  Connection* Find(ConnectionId id);
  const Connection* Find(ConnectionId id) const;
  // Mutations.
  Connection& OpenConnection(Credential credential, bool ring);
  void CloseConnection(ConnectionId id);
  void DropWatch(const Connection& connection, const std::pair<std::string, std::string>& key);
  void DropWatches(Connection* connection);
  void DropTransactions(Connection* connection);
  void DropAll(Connection* connection);  // these two and the output
  void QueueReply(Connection* connection, const Header& header, std::string_view payload);
  void QueueEvent(Connection* connection, std::string_view payload);
  void PopOutput(Connection* connection);
  void SetDomain(DomId domid, const Domain& domain);
  void DropDomain(DomId domid);
  void SetSpecialPerms(std::string_view path, const Perms& perms);

  // Bracket what belongs together for the observer; the outermost End sends the watch events of
  // what happened.
  void Begin();
  void End();

  // Requests (dispatch.cc). Prepare takes the payload apart as the operation wants it.
  static const Operation* FindOperation(uint32_t type);
  Error Prepare(const Operation& operation, Request* request);
  Reply Execute(Connection* connection, uint32_t type, uint32_t transaction,
                std::string_view payload);

  // Watch events (events.cc).
  void FireAll();
  void Fire(const Change& change);
  void FireSpecial(std::string_view path);
  // Tells a watch of `changed`, unless an equal event waits.
  void Deliver(Watch* watch, std::string_view changed);
  // Queues the event, or marks the watch as owed one if too many wait.
  void Queue(Watch* watch, std::string_view payload);
  void DeliverMerged(Connection* connection);
  Caller CallerOf(const Connection& connection) const;

  // Transactions (requests_transaction.cc).
  Error Commit(Connection* connection, const Transaction& transaction);
  void Recharge(const Connection& connection, Transaction* transaction);
  void DoomOldTransactions();
  void EndHold(Connection* connection);

  // Bytes that a privileged request may still take.
  uint64_t Room() const;

  bool IsService(DomId domid) const;
  bool IsKnown(DomId domid) const { return FindDomain(domid) != nullptr || IsService(domid); }

  // requests_node.cc
  Error Directory(Request& request);
  Error DirectoryPart(Request& request);
  Error Read(Request& request);
  Error Write(Request& request);
  Error Mkdir(Request& request);
  Error Rm(Request& request);
  Error GetPerms(Request& request);
  Error SetPerms(Request& request);
  // requests_watch.cc
  Error AddWatch(Request& request);
  Error RemoveWatch(Request& request);
  Error ResetWatches(Request& request);
  // requests_transaction.cc
  Error StartTransaction(Request& request);
  Error EndTransaction(Request& request);
  // requests_domain.cc
  Error IntroduceDomain(Request& request);
  Error ReleaseDomain(Request& request);
  Error GetDomainPath(Request& request);
  Error IsDomainIntroduced(Request& request);
  Error Resume(Request& request);
  Error SetTarget(Request& request);
  Error Control(Request& request);
  Error GetFeature(Request& request);

  ServerHost* host_;
  MutationObserver unobserved_;
  MutationObserver* observer_;
  ServerOptions options_;
  Store store_;
  WatchTable watches_;
  std::map<ConnectionId, std::unique_ptr<Connection>> connections_;
  ConnectionId last_connection_ = kNoConnection;
  std::map<DomId, Domain> domains_;
  std::map<DomId, Quota>
      quotas_;  // of domains that have one of their own; kNobody: of guests that have none
  std::map<std::string, Perms, std::less<>> special_perms_;
  std::map<DomId, std::string> vmm_directories_;
  // While restoring: open ones, by connection.
  std::set<std::pair<ConnectionId, uint32_t>> restored_transactions_;
  std::vector<std::string_view> special_changes_;
  std::optional<Watch>
      new_watch_;  // a copy of the watch that the request has set: its first event is owed
  std::vector<ConnectionId> holders_;  // services in a repeated transaction
  uint64_t open_transactions_ = 0;
  uint64_t next_doom_check_ = 0;  // in Store::retired_bytes
  uint64_t now_ns_ = 0;
  int nesting_ = 0;  // of Begin
};

}  // namespace pyrene::xenstore
