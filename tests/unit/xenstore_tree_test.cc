// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "services/xenstore/path.h"
#include "services/xenstore/tree.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

const Perms kAnyPerms = {{3, kRead}};

// All paths and values.
std::map<std::string, std::string> Contents(const Tree& tree) {
  std::map<std::string, std::string> contents;
  ForEachNode(tree.root(), "/", [&](const Node& node, std::string_view path) {
    EXPECT_TRUE(contents.emplace(std::string(path), node.value).second) << path;
  });
  return contents;
}

TEST(TreeTest, BeginsWithARootThatOnlyThePrivilegedRead) {
  Tree tree;
  ASSERT_NE(tree.Find("/"), nullptr);
  EXPECT_EQ(tree.Find("/")->perms, (Perms{{kNobody, kNoAccess}}));
  EXPECT_EQ(tree.Find("/a"), nullptr);
}

TEST(TreeTest, CreatesWhatIsMissingOnTheWay) {
  Tree tree;
  Tree::Created created = tree.Create("/a/b/c", "v", kAnyPerms, {7, 1});
  EXPECT_EQ(created.nodes, 3u);
  EXPECT_EQ(created.bytes,
            tree.Find("/a")->Bytes() + tree.Find("/a/b")->Bytes() + tree.Find("/a/b/c")->Bytes());
  EXPECT_EQ(tree.Find("/a")->value, "");
  EXPECT_EQ(tree.Find("/a/b/c")->value, "v");
  EXPECT_EQ(tree.Find("/a")->perms, kAnyPerms);
  size_t length = 0;
  EXPECT_EQ(tree.FindNearest("/a/b/x/y", &length).name, "b");
  EXPECT_EQ(length, 4u);
}

TEST(TreeTest, ChildrenAreListedOldestFirst) {
  Tree tree;
  for (const char* path : {"/z", "/a", "/m"}) tree.Create(path, "", kAnyPerms, {});
  tree.Remove("/a", {});
  tree.Create("/b", "", kAnyPerms, {});
  std::string names;
  for (const Child& child : tree.root().children) names += child.node->name;
  EXPECT_EQ(names, "zmb");
}

TEST(TreeTest, StampsSayWhatChanged) {
  Tree tree;
  tree.Create("/a/b", "", kAnyPerms, {1, 11});
  tree.SetValue("/a/b", "x", {2, 12});
  EXPECT_EQ(tree.Find("/a/b")->content.generation, 2u);
  EXPECT_EQ(tree.Find("/a/b")->content.writer, 12u);
  EXPECT_EQ(tree.Find("/a")->content.generation, 1u);
  EXPECT_EQ(tree.Find("/a")->listing.generation, 1u);
  EXPECT_EQ(tree.Find("/a")->subtree.generation, 2u);
  EXPECT_EQ(tree.root().subtree.generation, 2u);
  tree.Remove("/a/b", {3, 13});
  EXPECT_EQ(tree.Find("/a")->listing.generation, 3u);
  EXPECT_EQ(tree.Find("/a")->listing.writer, 13u);
  EXPECT_EQ(tree.Find("/a")->content.generation, 1u);
}

TEST(TreeTest, ASnapshotDoesNotChange) {
  Tree tree;
  tree.Create("/a/b", "old", kAnyPerms, {});
  tree.Create("/c", "c", kAnyPerms, {});
  Tree snapshot = tree.Snapshot();
  tree.SetValue("/a/b", "new", {});
  tree.Create("/a/d", "", kAnyPerms, {});
  tree.SetPerms("/a", {{9, kWrite}}, {});
  tree.Remove("/c", {});
  EXPECT_EQ(Contents(snapshot), (std::map<std::string, std::string>{
                                    {"/", ""}, {"/a", ""}, {"/a/b", "old"}, {"/c", "c"}}));
  EXPECT_EQ(snapshot.Find("/a")->perms, kAnyPerms);
  EXPECT_EQ(Contents(tree), (std::map<std::string, std::string>{
                                {"/", ""}, {"/a", ""}, {"/a/b", "new"}, {"/a/d", ""}}));
}

TEST(TreeTest, CopiesOnlyWhatASnapshotStillNeeds) {
  Tree tree;
  tree.Create("/a/b", "1", kAnyPerms, {});
  tree.Create("/c/d", "1", kAnyPerms, {});
  tree.SetValue("/a/b", "2", {});
  EXPECT_EQ(tree.copied_bytes(), 0u) << "nobody else has it";
  {
    Tree snapshot = tree.Snapshot();
    uint64_t way =
        tree.root().CopyBytes() + tree.Find("/a")->CopyBytes() + tree.Find("/a/b")->CopyBytes();
    tree.SetValue("/a/b", "3", {});
    EXPECT_EQ(tree.copied_bytes(), way);
    tree.SetValue("/a/b", "4", {});
    EXPECT_EQ(tree.copied_bytes(), way) << "copied already";
    EXPECT_EQ(tree.Find("/c/d"), snapshot.Find("/c/d")) << "shared";
  }
  uint64_t before = tree.copied_bytes();
  tree.SetValue("/c/d", "2", {});
  EXPECT_EQ(tree.copied_bytes(), before) << "the snapshot is gone";
}

TEST(TreeTest, PrivateBytesCoverWhatIsNotShared) {
  Tree base;
  base.Create("/a/b", std::string(100, 'x'), kAnyPerms, {});
  Tree tree = base.Snapshot();
  EXPECT_EQ(tree.private_bytes(), 0u);
  tree.SetValue("/a/b", "", {});
  EXPECT_EQ(tree.private_bytes(),
            tree.root().CopyBytes() + tree.Find("/a")->CopyBytes() + tree.Find("/a/b")->Bytes());
  tree.SetValue("/a/b", std::string(50, 'y'), {});
  tree.SetPerms("/a/b", {{1, kRead}, {2, kRead}}, {});
  tree.Create("/a/c", "z", kAnyPerms, {});
  EXPECT_GE(tree.private_bytes(), tree.root().Bytes() + tree.Find("/a")->CopyBytes() -
                                      sizeof(Child) + tree.Find("/a/b")->Bytes() +
                                      tree.Find("/a/c")->Bytes());
}

TEST(TreeTest, DepthCostsNoStack) {
  // Deeper than any path can be: destruction, walking and copying must not recurse.
  std::string path;
  for (int i = 0; i < 100'000; ++i) path += "/a";
  Tree tree;
  tree.Create(path, "", kAnyPerms, {});
  Tree snapshot = tree.Snapshot();
  tree.SetValue(path, "v", {});
  size_t nodes = 0;
  ForEachNode(tree.root(), "/", [&](const Node&, std::string_view) { ++nodes; });
  EXPECT_EQ(nodes, 100'001u);
  NodeRef removed = tree.Remove("/a", {});
  EXPECT_EQ(tree.root().children.size(), 0u);
}

TEST(TreeTest, RandomChangesAgreeWithMapsOfPaths) {
  std::mt19937 random(1);
  using Model = std::map<std::string, std::string>;
  std::vector<std::pair<Tree, Model>> trees(1);
  trees[0].second["/"] = "";
  for (int round = 0; round < Rounds(20'000); ++round) {
    auto& [tree, model] = trees[random() % trees.size()];
    std::string path;
    for (uint32_t depth = 1 + random() % 4; depth > 0; --depth) {
      path += std::string("/") + static_cast<char>('a' + random() % 4);
    }
    bool exists = model.contains(path);
    ASSERT_EQ(tree.Find(path) != nullptr, exists);
    std::string value(random() % 30, 'v');
    switch (random() % 4) {
      case 0:
      case 1:
        if (exists) {
          tree.SetValue(path, value, {});
        } else {
          tree.Create(path, value, kAnyPerms, {});
          for (std::string_view up = ParentOf(path); up != "/"; up = ParentOf(up)) {
            model.emplace(std::string(up), "");
          }
        }
        model[path] = value;
        break;
      case 2:
        if (!exists) break;
        tree.Remove(path, {});
        std::erase_if(model, [&](const auto& entry) { return IsAtOrBelow(entry.first, path); });
        break;
      default:
        if (random() % 8 != 0) break;
        // A snapshot appears, or replaces another tree.
        std::pair<Tree, Model> copy{tree.Snapshot(), model};
        if (trees.size() < 5) {
          trees.push_back(copy);
        } else {
          trees[random() % trees.size()] = copy;
        }
    }
    if (round % 64 == 0) {
      for (const auto& [other, expected] : trees) ASSERT_EQ(Contents(other), expected);
    }
  }
}

}  // namespace
}  // namespace pyrene::xenstore
