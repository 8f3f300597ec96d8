// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/transaction.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace pyrene::xenstore {
namespace {

constexpr uint64_t kTouchedOverhead = 96;  // of an entry of the map, without its string

}  // namespace

Transaction::Transaction(uint32_t id, const Store& store)
    : id(id),
      start_generation(store.generation()),
      start_retired(store.retired_bytes()),
      base(store.tree().Snapshot()),
      tree(store.tree().Snapshot()) {}

Error Transaction::Note(std::string_view path, Touch how, uint64_t limit) {
  auto found = touched.find(path);
  if (found == touched.end()) {
    if (touched.size() >= limit) return Error::kNoSpace;
    touched_bytes += kTouchedOverhead + path.size();
    found = touched.emplace(std::string(path), Touched{0, base.Find(path) != nullptr, 0}).first;
  }
  found->second.how |= how;
  if ((how & (kTouchValue | kTouchParent)) != 0 && tree.Find(path) == nullptr)
    found->second.created = ++creations;
  return Error::kOk;
}

bool Transaction::IsCurrent(const Store& store, absl::flat_hash_set<ConnectionId>* by) const {
  if (doomed) return false;
  if (!store.ChangedSince(start_generation)) return true;
  bool current = true;
  auto check = [&](const Stamp& stamp) {
    if (stamp.generation <= start_generation) return;
    current = false;
    by->insert(stamp.writer);
  };
  for (const auto& [path, touch] : touched) {
    size_t length = 0;
    const Node& nearest = store.tree().FindNearest(path, &length);
    bool exists = length == path.size() || path == "/";
    if (exists != touch.existed) {
      current = false;
      // Whoever created it is in the node; whoever removed it changed the list that it was in.
      by->insert(exists ? nearest.content.writer : nearest.listing.writer);
      continue;
    }
    if (exists) {
      check(nearest.content);
      if (touch.how & kTouchListing) check(nearest.listing);
      if (touch.how & kTouchSubtree) check(nearest.subtree);
    }
    if (!(touch.how & kTouchWritten)) continue;
    // A domain named in what is to be written may have gone, and its id may soon be another's.
    if (const Node* node = tree.Find(path)) {
      for (const Perm& perm : node->perms) {
        if (store.ReleasedAt(perm.domid) > start_generation) current = false;
      }
    }
  }
  return current;
}

void Transaction::Apply(Store* store, ConnectionId writer) const {
  using Change = std::pair<const std::string, Touched>;
  std::vector<const Change*> changes;
  for (const Change& change : touched) {
    if ((change.second.how & kTouchWritten) == 0) continue;
    changes.push_back(&change);
    if ((change.second.how & kTouchRemoved) != 0 && store->tree().Find(change.first) != nullptr)
      store->Remove(change.first, writer);
  }
  // In the order of their creation, which is the order of listings; parents were created before
  // what is below them.
  std::stable_sort(changes.begin(), changes.end(), [](const Change* a, const Change* b) {
    return a->second.created < b->second.created;
  });
  for (const Change* change : changes) {
    const auto& [path, touch] = *change;
    const Node* result = tree.Find(path);
    if (result == nullptr) continue;
    if (store->tree().Find(path) == nullptr) {
      bool announce = (touch.how & kTouchWritten) != kTouchParent;
      store->Create(path, result->value, result->perms, writer, announce);
      continue;
    }
    if (touch.how & kTouchPerms) store->SetPerms(path, result->perms, writer);
    if (touch.how & kTouchValue) store->SetValue(path, result->value, writer);
  }
}

void Transaction::Doom(const Store& store) {
  doomed = true;
  start_retired = store.retired_bytes();
  base = store.tree().Snapshot();
  tree = store.tree().Snapshot();
  touched.clear();
  touched_bytes = 0;
  own_nodes = 0;
}

uint64_t Transaction::Bytes() const {
  return sizeof(Transaction) + touched_bytes + tree.private_bytes();
}

}  // namespace pyrene::xenstore
