// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "services/xl/xenstore_format.h"

namespace pyrene::xl {

// A store that keeps children in the order in which they were made, as xenstored does.
class FakeStore : public XenstoreReader {
 public:
  FakeStore() { nodes_["/"]; }

  void Apply(const std::vector<XenstoreNode>& list) {
    for (const XenstoreNode& node : list) {
      const size_t slash = node.path.rfind('/');
      const std::string parent = slash == 0 ? "/" : node.path.substr(0, slash);
      ASSERT_TRUE(nodes_.count(parent) == 1) << node.path << " comes before its parent";
      ASSERT_FALSE(node.permissions.empty()) << node.path;
      if (nodes_.count(node.path) == 0) {
        nodes_[parent].children.push_back(node.path.substr(slash + 1));
      } else {
        EXPECT_EQ(nodes_[node.path].node.value, node.value) << node.path;
        EXPECT_EQ(nodes_[node.path].node.permissions, node.permissions) << node.path;
      }
      nodes_[node.path].node = node;
    }
  }

  void Remove(const std::string& path) {
    for (auto node = nodes_.begin(); node != nodes_.end();) {
      const bool below =
          node->first == path || node->first.substr(0, path.size() + 1) == path + "/";
      node = below ? nodes_.erase(node) : std::next(node);
    }
    const size_t slash = path.rfind('/');
    auto parent = nodes_.find(path.substr(0, slash));
    if (parent == nodes_.end()) return;
    auto& children = parent->second.children;
    children.erase(std::remove(children.begin(), children.end(), path.substr(slash + 1)),
                   children.end());
  }

  absl::StatusOr<std::vector<std::string>> Directory(const std::string& path) override {
    auto node = nodes_.find(path);
    if (node == nodes_.end() || vanished_.count(path) == 1) return absl::NotFoundError("");
    if (secret_.count(path) == 1) return absl::PermissionDeniedError("");
    return node->second.children;
  }
  absl::StatusOr<std::string> Read(const std::string& path) override {
    if (vanished_.count(path) == 1) return absl::NotFoundError("");
    return nodes_.at(path).node.value;
  }
  absl::StatusOr<XenstorePermissions> Permissions(const std::string& path) override {
    return nodes_.at(path).node.permissions;
  }

  // Still listed by its parent, but gone when it is looked at; and not readable.
  void Vanish(const std::string& path) { vanished_.insert(path); }
  void MakeSecret(const std::string& path) { secret_.insert(path); }

  bool Has(const std::string& path) const { return nodes_.count(path) == 1; }
  const XenstoreNode& At(const std::string& path) const { return nodes_.at(path).node; }

 private:
  struct Entry {
    XenstoreNode node;
    std::vector<std::string> children;
  };
  std::map<std::string, Entry> nodes_;
  std::set<std::string> vanished_;
  std::set<std::string> secret_;
};

class TextPrinter : public XenstorePrinter {
 public:
  void Print(absl::string_view text) override { absl::StrAppend(&text_, text); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace pyrene::xl
