// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/tree.h"

#include "services/xenstore/path.h"

namespace pyrene::xenstore {

Tree::Tree() : root_(new Node) { root_->perms.push_back({kNobody, kNoAccess}); }

const Node* Tree::Find(std::string_view path) const {
  size_t length = 0;
  const Node& nearest = FindNearest(path, &length);
  return length == (path == "/" ? 0 : path.size()) ? &nearest : nullptr;
}

const Node& Tree::FindNearest(std::string_view path, size_t* length) const {
  const Node* node = root_.get();
  *length = 0;
  for (Components rest(path); rest.Next();) {
    size_t index = node->IndexOf(rest.name(), rest.hash());
    if (index == Node::kNotFound) break;
    node = node->children[index].node.get();
    *length = rest.end();
  }
  return *node;
}

Tree::Created Tree::Create(std::string_view path, std::string_view value, const Perms& perms,
                           Stamp stamp) {
  Created created;
  Node* node = Unshare(&root_, stamp);
  for (Components rest(path); rest.Next();) {
    size_t index = node->IndexOf(rest.name(), rest.hash());
    if (index != Node::kNotFound) {
      node = Unshare(&node->children[index].node, stamp);
      continue;
    }
    NodeRef child(new Node);
    child->name.assign(rest.name());
    child->perms = perms;
    child->content = child->listing = child->subtree = stamp;
    if (rest.end() == path.size()) child->value.assign(value);
    ++created.nodes;
    created.bytes += child->Bytes();
    node->listing = stamp;
    node->children.push_back({rest.hash(), child});
    node = child.get();
  }
  grown_bytes_ += static_cast<int64_t>(created.bytes);
  return created;
}

const Node& Tree::SetValue(std::string_view path, std::string_view value, Stamp stamp) {
  Node* node = Open(path, stamp);
  grown_bytes_ += static_cast<int64_t>(value.size() - node->value.size());
  node->value.assign(value);
  node->content = stamp;
  return *node;
}

const Node& Tree::SetPerms(std::string_view path, const Perms& perms, Stamp stamp) {
  Node* node = Open(path, stamp);
  grown_bytes_ += static_cast<int64_t>((perms.size() - node->perms.size()) * sizeof(Perm));
  node->perms = perms;
  node->content = stamp;
  return *node;
}

NodeRef Tree::Remove(std::string_view path, Stamp stamp) {
  Node* parent = Open(ParentOf(path), stamp);
  Components last(path.substr(path.rfind('/')));
  last.Next();
  size_t index = parent->IndexOf(last.name(), last.hash());
  NodeRef removed = std::move(parent->children[index].node);
  parent->children.erase(parent->children.begin() + static_cast<ptrdiff_t>(index));
  parent->listing = stamp;
  return removed;
}

Tree Tree::Snapshot() const {
  Tree snapshot = *this;
  snapshot.copied_bytes_ = 0;
  snapshot.grown_bytes_ = 0;
  return snapshot;
}

Node* Tree::Unshare(NodeRef* slot, Stamp stamp) {
  if ((*slot)->references > 1) {
    NodeRef copy(new Node);
    // The counter in the node is the only member not to be copied.
    uint32_t references = copy->references;
    *copy = **slot;
    copy->references = references;
    copied_bytes_ += copy->CopyBytes();
    *slot = std::move(copy);
  }
  (*slot)->subtree = stamp;
  return slot->get();
}

Node* Tree::Open(std::string_view path, Stamp stamp) {
  Node* node = Unshare(&root_, stamp);
  for (Components rest(path); rest.Next();) {
    size_t index = node->IndexOf(rest.name(), rest.hash());
    node = Unshare(&node->children[index].node, stamp);
  }
  return node;
}

}  // namespace pyrene::xenstore
