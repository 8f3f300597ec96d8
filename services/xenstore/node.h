// SPDX-License-Identifier: Apache-2.0
//
// Nodes and references to them. A node belongs to every tree from whose root it can be reached and
// must be changed only by a tree that is the only one (Tree sees to that). References are counted
// without atomics: a store is used by one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/xenstore/perms.h"

namespace pyrene::xenstore {

struct Node;

// A counted reference to a node, or none.
class NodeRef {
 public:
  NodeRef() = default;
  explicit NodeRef(Node* node);  // takes a node that nobody refers to yet
  NodeRef(const NodeRef& other);
  NodeRef(NodeRef&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodeRef& operator=(NodeRef other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeRef() {
    if (node_ != nullptr) Release();
  }

  Node* get() const { return node_; }
  Node* operator->() const { return node_; }
  Node& operator*() const { return *node_; }
  explicit operator bool() const { return node_ != nullptr; }

 private:
  void Release();

  Node* node_ = nullptr;
};

// When something changed, on the store's one count of changes, and through whose connection.
struct Stamp {
  uint64_t generation = 0;
  ConnectionId writer = kNoConnection;
};

struct Child {
  uint32_t hash = 0;  // of the name (Components): most of a search does not leave the list
  NodeRef node;
};

struct Node {
  std::string name;  // last component; empty for the root
  std::string value;
  Perms perms;
  std::vector<Child> children;  // oldest first: the order in which they are listed
  Stamp content;                // last change of value or permissions; creation
  Stamp listing;                // last change of the list of children; creation
  Stamp subtree;                // last change of this node or anything below it
  uint32_t references = 0;

  static constexpr size_t kNotFound = ~size_t{0};

  // The index of a child, or kNotFound.
  size_t IndexOf(std::string_view child, uint32_t hash) const;

  // What the node costs its owner: all its memory and its place in its parent's list; its children
  // are counted by themselves.
  uint64_t Bytes() const;
  // What a copy of the node costs.
  uint64_t CopyBytes() const { return Bytes() + children.size() * sizeof(Child); }
};

// Calls `visit(const Node&, path)` for `root`, whose path is `path`, and everything below it,
// parents first. Works without recursion, since how deep a tree is was a guest's decision.
template <typename Visit>
void ForEachNode(const Node& root, std::string path, Visit visit) {
  struct Level {
    const Node* node;
    size_t next_child;
    size_t path_length;
  };
  visit(root, std::string_view(path));
  std::vector<Level> levels;
  levels.push_back({&root, 0, path == "/" ? 0 : path.size()});
  while (!levels.empty()) {
    Level& level = levels.back();
    path.resize(level.path_length);
    if (level.next_child == level.node->children.size()) {
      levels.pop_back();
      continue;
    }
    const Node& child = *level.node->children[level.next_child++].node;
    path.push_back('/');
    path.append(child.name);
    visit(child, std::string_view(path));
    levels.push_back({&child, 0, path.size()});
  }
}

}  // namespace pyrene::xenstore
