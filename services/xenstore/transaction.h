// SPDX-License-Identifier: Apache-2.0
//
// An open transaction: the snapshot it began with, its own changes to that, and what it touched. It
// commits if nothing it touched has changed in the committed tree since it began; the changes are
// then repeated there.
//
// Progress. A commit fails only because some other change of a touched node was made after the
// transaction began: of two parties in each other's way, the first to finish has succeeded. So the
// store as a whole always advances, whatever its clients do. That alone would let a guest that
// writes without pause starve the toolstack or a back-end (Linux and our own services repeat a
// failed transaction for ever). Therefore a failed commit of a service names the connections that
// were in its way, and while the service tries again the rings of those guests are not read
// (Server, "holds"). Each failure adds at least one guest to those held, a held guest can not cause
// another one, and guests are finite, so the service commits after at most one attempt per guest,
// provided that it ends each attempt within the time a hold lasts. Services do not hold each other:
// none writes in a loop. Guests hold nobody: one could otherwise stall others; it can be starved
// only by those to whom it gave write access.
//
// Memory. A snapshot keeps versions of nodes that have since been replaced or removed. A
// transaction of an unprivileged domain that has seen more than kSnapshotLimit bytes of them go is
// doomed: it goes on with a fresh snapshot, and its end answers EAGAIN. All that such transactions
// keep went after the oldest of them began, hence together they keep less than that limit.
#pragma once

#include <map>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "services/xenstore/store.h"

namespace pyrene::xenstore {

inline constexpr uint64_t kSnapshotLimit = 4 << 20;  // ServerOptions may have another

// What a transaction did at a path.
using Touch = uint8_t;
inline constexpr Touch kTouchContent = 1;   // read value or permissions, or found it missing
inline constexpr Touch kTouchListing = 2;   // read the list of children
inline constexpr Touch kTouchSubtree = 4;   // depends on everything below
inline constexpr Touch kTouchValue = 8;     // wrote the value or created it
inline constexpr Touch kTouchPerms = 16;    // wrote the permissions
inline constexpr Touch kTouchParent = 32;   // created it because something below it was created
inline constexpr Touch kTouchRemoved = 64;  // removed it, and perhaps created it again
inline constexpr Touch kTouchWritten = kTouchValue | kTouchPerms | kTouchParent | kTouchRemoved;

struct Touched {
  Touch how = 0;
  bool existed = false;  // in the snapshot
  uint64_t created = 0;  // its place among what was created; 0: it was there and stayed
};

struct Transaction {
  Transaction(uint32_t id, const Store& store);

  // Notes that `path` was touched. kNoSpace if that would be more than `limit` paths.
  Error Note(std::string_view path, Touch how, uint64_t limit);

  // Whether it can be committed to `store`; if not, those whose changes are in the way are added to
  // `by`.
  bool IsCurrent(const Store& store, absl::flat_hash_set<ConnectionId>* by) const;

  // Repeats its changes in `store`, where IsCurrent was true.
  void Apply(Store* store, ConnectionId writer) const;

  // Starts over from the present tree, never to be committed.
  void Doom(const Store& store);

  // What it costs its domain now.
  uint64_t Bytes() const;

  uint32_t id;
  uint64_t start_generation;
  uint64_t start_retired;  // Store::retired_bytes at the start
  Tree base;               // the snapshot
  Tree tree;               // the snapshot with the transaction's changes
  std::map<std::string, Touched, std::less<>> touched;
  uint64_t touched_bytes = 0;
  uint64_t creations = 0;
  int64_t own_nodes =
      0;                 // nodes it created minus removed for the account of an unprivileged caller
  uint64_t charged = 0;  // what its domain's account now holds for it
  bool doomed = false;
};

}  // namespace pyrene::xenstore
