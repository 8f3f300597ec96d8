// SPDX-License-Identifier: Apache-2.0
//
// A tree of nodes whose copies are snapshots: copying one costs a counter, and a change copies just
// those nodes on the way to the changed one that another tree still uses. All paths are canonical.
#pragma once

#include <cstdint>
#include <string_view>

#include "services/xenstore/node.h"

namespace pyrene::xenstore {

class Tree {
 public:
  // Just a root that nobody owns and only the privileged can read.
  Tree();

  const Node& root() const { return *root_; }
  const Node* Find(std::string_view path) const;
  // The deepest node that exists on the way to `path`, and in *length how much of `path` leads to
  // it ("/": 0).
  const Node& FindNearest(std::string_view path, size_t* length) const;

  struct Created {
    uint32_t nodes = 0;
    uint64_t bytes = 0;
  };
  // Creates a node that does not exist, and those missing on the way to it, with empty values; all
  // get `perms`.
  Created Create(std::string_view path, std::string_view value, const Perms& perms, Stamp stamp);
  // These need the node to exist, Remove not to be the root. Remove returns what it took out, the
  // others the node as it is now.
  const Node& SetValue(std::string_view path, std::string_view value, Stamp stamp);
  const Node& SetPerms(std::string_view path, const Perms& perms, Stamp stamp);
  NodeRef Remove(std::string_view path, Stamp stamp);

  // Bytes of all nodes ever copied because a snapshot still needed the original.
  uint64_t copied_bytes() const { return copied_bytes_; }
  // Bytes that this tree does not share with the one it was copied from, at most: copies, new nodes
  // and growth. Removed nodes are not subtracted.
  uint64_t private_bytes() const { return copied_bytes_ + static_cast<uint64_t>(grown_bytes_); }
  // Bytes of new nodes, and of values and permissions that grew or shrank.
  int64_t grown_bytes() const { return grown_bytes_; }
  // Another tree with the same nodes and its counts at zero.
  Tree Snapshot() const;

 private:
  // Makes the node in `slot` this tree's own and stamps its subtree.
  Node* Unshare(NodeRef* slot, Stamp stamp);
  // The same for the whole way to an existing node, which it returns.
  Node* Open(std::string_view path, Stamp stamp);

  NodeRef root_;
  uint64_t copied_bytes_ = 0;
  // Shrinking takes back only bytes of nodes counted before, so the sum of both never falls below
  // zero; this one alone may.
  int64_t grown_bytes_ = 0;
};

}  // namespace pyrene::xenstore
