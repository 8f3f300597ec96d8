// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/store.h"

#include <algorithm>

namespace pyrene::xenstore {

void Store::Charge(const Node& node) {
  Account& owner = accounts_[node.perms[0].domid];
  ++owner.nodes;
  owner.memory += node.Bytes();
}

void Store::Uncharge(const Node& node) {
  Account& owner = accounts_[node.perms[0].domid];
  --owner.nodes;
  owner.memory -= node.Bytes();
}

void Store::Create(std::string_view path, std::string_view value, const Perms& perms,
                   ConnectionId writer, bool announce) {
  Tree::Created created = tree_.Create(path, value, perms, NextStamp(writer));
  Account& owner = accounts_[perms[0].domid];
  owner.nodes += created.nodes;
  owner.memory += created.bytes;
  if (announce) changes_.push_back({std::string(path), {}, {}});
  observer_->OnNodeSet(path, value, perms);
}

void Store::SetValue(std::string_view path, std::string_view value, ConnectionId writer) {
  int64_t before = tree_.grown_bytes();
  const Node& node = tree_.SetValue(path, value, NextStamp(writer));
  accounts_[node.perms[0].domid].memory += static_cast<uint64_t>(tree_.grown_bytes() - before);
  changes_.push_back({std::string(path), {}, {}});
  observer_->OnNodeSet(path, value, node.perms);
}

void Store::SetPerms(std::string_view path, const Perms& perms, ConnectionId writer,
                     bool announce) {
  const Node& old = *tree_.Find(path);
  Uncharge(old);
  if (announce) changes_.push_back({std::string(path), old.perms, {}});
  const Node& node = tree_.SetPerms(path, perms, NextStamp(writer));
  Charge(node);
  observer_->OnNodeSet(path, node.value, perms);
}

void Store::Remove(std::string_view path, ConnectionId writer) {
  NodeRef removed = tree_.Remove(path, NextStamp(writer));
  ForEachNode(*removed, std::string(), [this](const Node& node, std::string_view) {
    Uncharge(node);
    removed_bytes_ += node.Bytes();
  });
  changes_.push_back({std::string(path), {}, std::move(removed)});
  observer_->OnNodeRemoved(path);
}

void Store::Forget(DomId domid) {
  std::vector<std::string> owned;
  std::vector<std::string> named;
  ForEachNode(tree_.root(), "/", [&](const Node& node, std::string_view path) {
    if (!owned.empty() && IsAtOrBelow(path, owned.back())) return;  // goes with it
    if (node.perms[0].domid == domid && path != "/") {
      owned.emplace_back(path);
    } else if (std::any_of(node.perms.begin(), node.perms.end(),
                           [&](const Perm& perm) { return perm.domid == domid; })) {
      named.emplace_back(path);
    }
  });
  for (const std::string& path : named) {
    Perms perms = tree_.Find(path)->perms;
    if (perms[0].domid == domid)
      perms[0].domid = kNobody;  // only the root is kept without its owner
    perms.erase(std::remove_if(perms.begin() + 1, perms.end(),
                               [&](const Perm& perm) { return perm.domid == domid; }),
                perms.end());
    SetPerms(path, perms, kNoConnection, /*announce=*/false);
  }
  for (const std::string& path : owned) Remove(path, kNoConnection);
  last_release_ = released_[domid] = ++generation_;
}

uint64_t Store::ReleasedAt(DomId domid) const {
  auto found = released_.find(domid);
  return found == released_.end() ? 0 : found->second;
}

}  // namespace pyrene::xenstore
