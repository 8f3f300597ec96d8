// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/node.h"

namespace pyrene::xenstore {
namespace {

constexpr uint64_t kAllocatorOverhead = 48;  // headers of the node, its strings and its list

}  // namespace

NodeRef::NodeRef(Node* node) : node_(node) { ++node_->references; }

NodeRef::NodeRef(const NodeRef& other) : node_(other.node_) {
  if (node_ != nullptr) ++node_->references;
}

void NodeRef::Release() {
  if (--node_->references != 0) return;
  // Descendants that go with it are put on a list instead of being released by destructors inside
  // destructors.
  absl::InlinedVector<Node*, 16> dead = {node_};
  while (!dead.empty()) {
    Node* node = dead.back();
    dead.pop_back();
    for (Child& child : node->children) {
      Node* orphan = std::exchange(child.node.node_, nullptr);
      if (--orphan->references == 0) dead.push_back(orphan);
    }
    delete node;
  }
}

size_t Node::IndexOf(std::string_view child, uint32_t hash) const {
  for (size_t i = 0; i < children.size(); ++i) {
    if (children[i].hash == hash && children[i].node->name == child) return i;
  }
  return kNotFound;
}

uint64_t Node::Bytes() const {
  return sizeof(Node) + kAllocatorOverhead + sizeof(Child) + name.size() + value.size() +
         perms.size() * sizeof(Perm);
}

}  // namespace pyrene::xenstore
