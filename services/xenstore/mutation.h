// SPDX-License-Identifier: Apache-2.0
//
// What a journal is told. Every change of the store's state passes through one function per kind of
// change, which calls one of these after it took effect; what they report, replayed in order, gives
// the state again. (Not reported: the contents of open transactions, which a restarted store ends
// with EAGAIN, and counts that are derived.)
//
// OnSync comes before anything that was told since the last one can be seen by a client: a journal
// keeps all of it or none.
#pragma once

#include <string_view>

#include "services/xenstore/path.h"
#include "services/xenstore/perms.h"

namespace pyrene::xenstore {

struct Watch;
struct Domain;
struct RingState;

// Who a connection belongs to. The privileged (the toolstack) are bound by neither permissions nor
// quotas.
struct Credential {
  DomId domid = kNobody;
  bool privileged = false;

  bool operator==(const Credential&) const = default;
};

class MutationObserver {
 public:
  virtual ~MutationObserver() = default;

  // Changes between these two belong to one request; no OnSync comes between them.
  virtual void OnBegin() {}
  virtual void OnEnd() {}

  // A node was created, with the missing ones above it (empty, with the same permissions), or got
  // this value and permissions.
  virtual void OnNodeSet(std::string_view /*path*/, std::string_view /*value*/, const Perms&) {}
  virtual void OnNodeRemoved(std::string_view /*path*/) {}
  virtual void OnSpecialPerms(std::string_view /*path*/, const Perms&) {}

  virtual void OnConnectionOpened(ConnectionId, Credential, bool /*ring*/) {}
  // Its watches, transactions and output went with it.
  virtual void OnConnectionClosed(ConnectionId) {}
  // Its watches, transactions and output are gone, it stays.
  virtual void OnConnectionReset(ConnectionId) {}
  virtual void OnWatchAdded(const Watch&) {}
  virtual void OnWatchRemoved(ConnectionId, std::string_view /*path*/, std::string_view /*token*/) {
  }
  // Events for it were left out: one is owed; or that one was queued.
  virtual void OnWatchMerged(const Watch&) {}
  virtual void OnTransactionStarted(ConnectionId, uint32_t /*id*/) {}
  virtual void OnTransactionEnded(ConnectionId, uint32_t /*id*/) {}

  // A message joined, or left, the end or the front of a connection's output.
  virtual void OnOutputQueued(ConnectionId, std::string_view /*wire*/) {}
  virtual void OnOutputTaken(ConnectionId) {}
  // Ring positions and a half-received message.
  virtual void OnRing(ConnectionId, const RingState&) {}

  virtual void OnDomainSet(DomId, const Domain&) {}
  virtual void OnDomainReleased(DomId) {}
  // The directory below /vm that a guest's VMM made; empty: none any more.
  virtual void OnVmmDirectory(DomId, std::string_view /*path*/) {}

  virtual void OnSync() {}
};

}  // namespace pyrene::xenstore
