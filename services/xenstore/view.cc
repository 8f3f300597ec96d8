// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/view.h"

namespace pyrene::xenstore {

View::View(Store* store, Transaction* transaction, const Caller& caller, const Quota& quota,
           uint64_t room, ConnectionId writer)
    : store_(store),
      transaction_(transaction),
      caller_(caller),
      quota_(quota),
      room_(room),
      writer_(writer) {}

Error View::Open(std::string_view path, Access need, Touch touch, const Node** node) {
  if (Error error = Note(path, touch); error != Error::kOk) return error;
  size_t length = 0;
  const Node& nearest = tree().FindNearest(path, &length);
  Access access = AccessOf(nearest.perms, caller_);
  if (length != path.size() && path != "/") {
    return (access & need) != 0 ? Error::kNoEntry : Error::kAccess;
  }
  if ((access & need) != need) return Error::kAccess;
  *node = &nearest;
  return Error::kOk;
}

Error View::Write(std::string_view path, std::string_view value) {
  const Node* node = nullptr;
  Error error = Open(path, kWrite, kTouchContent, &node);
  if (error == Error::kNoEntry) return Create(path, value);
  if (error != Error::kOk) return error;
  if (error = CheckNodeSize(value, node->perms); error != Error::kOk) return error;
  if (error = CheckMemory(value.size()); error != Error::kOk) return error;
  if (transaction_ == nullptr) {
    store_->SetValue(path, value, writer_);
    return Error::kOk;
  }
  transaction_->tree.SetValue(path, value, store_->NextStamp(writer_));
  return Note(path, kTouchValue);
}

Error View::MakeDirectory(std::string_view path) {
  const Node* node = nullptr;
  Error error = Open(path, kWrite, kTouchContent, &node);
  return error == Error::kNoEntry ? Create(path, {}) : error;
}

Error View::Remove(std::string_view path) {
  if (path == "/") return Error::kInvalid;
  const Node* node = nullptr;
  Error error = Open(path, kWrite, kTouchContent, &node);
  if (error == Error::kNoEntry) {
    std::string_view parent = ParentOf(path);
    if (error = Note(parent, kTouchContent); error != Error::kOk) return error;
    return tree().Find(parent) != nullptr ? Error::kOk : Error::kNoEntry;
  }
  if (error != Error::kOk) return error;
  if (transaction_ == nullptr) {
    store_->Remove(path, writer_);
    return Error::kOk;
  }
  if (error = Note(path, kTouchSubtree | kTouchRemoved); error != Error::kOk) return error;
  NodeRef removed = transaction_->tree.Remove(path, store_->NextStamp(writer_));
  ForEachNode(*removed, std::string(), [this](const Node& gone, std::string_view) {
    if (gone.perms[0].domid == caller_.domid) --transaction_->own_nodes;
  });
  return Error::kOk;
}

Error View::SetPerms(std::string_view path, const Perms& perms) {
  const Node* node = nullptr;
  Error error = Open(path, kWrite | kOwn, kTouchContent, &node);
  if (error != Error::kOk) return error;
  if (!caller_.privileged) {
    if (perms[0].domid != node->perms[0].domid) return Error::kPermission;
    if (perms.size() > quota_.permissions) return Error::kNoSpace;
  }
  if (error = CheckNodeSize(node->value, perms); error != Error::kOk) return error;
  if (error = CheckMemory(perms.size() * sizeof(Perm)); error != Error::kOk) return error;
  if (transaction_ == nullptr) {
    store_->SetPerms(path, perms, writer_);
    return Error::kOk;
  }
  transaction_->tree.SetPerms(path, perms, store_->NextStamp(writer_));
  return Note(path, kTouchPerms);
}

Error View::Note(std::string_view path, Touch touch) {
  if (transaction_ == nullptr) return Error::kOk;
  if (caller_.privileged) return transaction_->Note(path, touch, ~uint64_t{0});
  if (CheckMemory(path.size()) != Error::kOk && !transaction_->touched.contains(path)) {
    return Error::kNoSpace;
  }
  return transaction_->Note(path, touch, quota_.transaction_nodes);
}

Error View::CheckMemory(uint64_t bytes) const {
  if (caller_.privileged) return bytes > room_ ? Error::kNoSpace : Error::kOk;
  uint64_t used = store_->account(caller_.domid).memory;
  return used + bytes > quota_.memory ? Error::kNoSpace : Error::kOk;
}

Error View::CheckNodeSize(std::string_view value, const Perms& perms) const {
  if (caller_.privileged) return Error::kOk;
  return value.size() + perms.size() * sizeof(Perm) > quota_.node_size ? Error::kNoSpace
                                                                       : Error::kOk;
}

Error View::Create(std::string_view path, std::string_view value) {
  size_t length = 0;
  const Node& nearest = tree().FindNearest(path, &length);
  Perms perms = nearest.perms;
  const uint64_t missing = DepthOf(path) - (length == 0 ? 0 : DepthOf(path.substr(0, length)));
  const uint64_t bytes =
      missing * (sizeof(Node) + perms.size() * sizeof(Perm)) + path.size() + value.size();
  if (Error error = CheckMemory(bytes); error != Error::kOk) return error;
  if (!caller_.privileged) {
    perms[0].domid = caller_.domid;
    if (DepthOf(path) > quota_.depth) return Error::kNoSpace;
    int64_t nodes = static_cast<int64_t>(store_->account(caller_.domid).nodes + missing) +
                    (transaction_ != nullptr ? transaction_->own_nodes : 0);
    if (nodes > static_cast<int64_t>(quota_.nodes)) return Error::kNoSpace;
    if (Error error = CheckNodeSize(value, perms); error != Error::kOk) return error;
  }
  if (transaction_ == nullptr) {
    store_->Create(path, value, perms, writer_);
    return Error::kOk;
  }
  // The permissions come from the nearest node, and the nodes between are written too. All of it is
  // noted before the first change, so that a transaction that touches too much is not changed by
  // halves.
  std::string_view from = length == 0 ? std::string_view("/") : path.substr(0, length);
  if (Error error = Note(from, kTouchContent); error != Error::kOk) return error;
  for (Components rest(path); rest.Next();) {
    if (rest.end() <= length) continue;
    Touch touch = rest.end() == path.size() ? kTouchValue : kTouchParent;
    if (Error error = Note(path.substr(0, rest.end()), kTouchContent | touch);
        error != Error::kOk) {
      return error;
    }
  }
  Tree::Created created = transaction_->tree.Create(path, value, perms, store_->NextStamp(writer_));
  transaction_->own_nodes += created.nodes;
  return Error::kOk;
}

}  // namespace pyrene::xenstore
