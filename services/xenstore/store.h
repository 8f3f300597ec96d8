// SPDX-License-Identifier: Apache-2.0
//
// The committed tree with what hangs on it: the count of changes, each domain's account, and the
// changes whose watch events are still to be sent. All changes of the committed tree pass through
// the five functions marked "mutation".
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "services/xenstore/mutation.h"
#include "services/xenstore/quota.h"
#include "services/xenstore/tree.h"

namespace pyrene::xenstore {

// One thing to tell watchers.
struct Change {
  std::string path;
  Perms old_perms;  // of a node whose permissions changed: who could read it until now still hears
                    // of it
  NodeRef removed;  // the subtree that was taken out at `path`, if that is what happened
};

class Store {
 public:
  // The observer outlives the store.
  explicit Store(MutationObserver* observer) : observer_(observer) { Charge(tree_.root()); }

  const Tree& tree() const { return tree_; }
  // The number of the latest change.
  uint64_t generation() const { return generation_; }
  Stamp NextStamp(ConnectionId writer) { return {++generation_, writer}; }

  // Mutation. Create makes a node that does not exist and the missing ones above it; the others
  // need it to exist, Remove not to be the root. Without `announce` no watcher is told.
  void Create(std::string_view path, std::string_view value, const Perms& perms,
              ConnectionId writer, bool announce = true);
  void SetValue(std::string_view path, std::string_view value, ConnectionId writer);
  void SetPerms(std::string_view path, const Perms& perms, ConnectionId writer,
                bool announce = true);
  void Remove(std::string_view path, ConnectionId writer);
  // Mutation. Removes what the domain owns, with all below it, and its id from all other nodes'
  // permissions.
  void Forget(DomId domid);

  // Bytes of all versions of nodes that have left the committed tree, though a snapshot may still
  // hold them.
  uint64_t retired_bytes() const { return tree_.copied_bytes() + removed_bytes_; }

  // The account of a domain, made if there is none.
  Account& account(DomId domid) { return accounts_[domid]; }
  const std::map<DomId, Account>& accounts() const { return accounts_; }
  void DropAccount(DomId domid) { accounts_.erase(domid); }

  // When a domain's id was last taken away from it, as a generation; 0 if not since the last
  // ForgetReleases.
  uint64_t ReleasedAt(DomId domid) const;
  // Whether anything was changed, or any domain released, since that generation.
  bool ChangedSince(uint64_t generation) const {
    return tree_.root().subtree.generation > generation || last_release_ > generation;
  }
  // To be called while no transaction is open.
  void ForgetReleases() { released_.clear(); }

  // After a restart: counts on from there. Never back.
  void SetGeneration(uint64_t generation) { generation_ = std::max(generation_, generation); }

  // What happened since the last call, oldest first.
  std::vector<Change> TakeChanges() { return std::exchange(changes_, {}); }

 private:
  void Charge(const Node& node);
  void Uncharge(const Node& node);

  MutationObserver* observer_;
  Tree tree_;
  uint64_t generation_ = 0;
  uint64_t removed_bytes_ = 0;
  std::map<DomId, Account> accounts_;
  std::map<DomId, uint64_t> released_;
  uint64_t last_release_ = 0;
  std::vector<Change> changes_;
};

}  // namespace pyrene::xenstore
