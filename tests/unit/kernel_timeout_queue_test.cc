// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/lib/timeout_queue.h"
#include "tests/unit/kernel_test_util.h"

namespace pyrene {
namespace {

// What makes it a leftist heap; `ranks` of a subtree, so that a walk along right children is short.
struct Shape {
  size_t nodes = 0;
  uint32_t rank = 0;
};
Shape Check(const TimeoutNode* node, const TimeoutNode* parent) {
  if (node == nullptr) return {};
  EXPECT_EQ(node->parent, parent);
  EXPECT_TRUE(node->queued);
  if (parent != nullptr) EXPECT_GE(node->deadline, parent->deadline);
  const Shape left = Check(node->left, node);
  const Shape right = Check(node->right, node);
  EXPECT_GE(left.rank, right.rank);
  EXPECT_EQ(node->rank, right.rank + 1);
  return {left.nodes + right.nodes + 1, node->rank};
}

void CheckWhole(const TimeoutQueue& queue, size_t nodes) {
  const Shape shape = Check(queue.earliest(), nullptr);
  ASSERT_EQ(shape.nodes, nodes);
  // Insert and remove take steps in proportion to this.
  ASSERT_LE(shape.rank, std::bit_width(nodes + 1));
}

TEST(KernelTimeoutQueue, EarliestFirst) {
  TimeoutQueue queue;
  EXPECT_EQ(queue.earliest(), nullptr);
  TimeoutNode nodes[3];
  queue.Insert(&nodes[0], 30);
  queue.Insert(&nodes[1], 10);
  queue.Insert(&nodes[2], 20);
  EXPECT_EQ(queue.earliest(), &nodes[1]);
  queue.Remove(&nodes[1]);
  EXPECT_FALSE(nodes[1].queued);
  EXPECT_EQ(queue.earliest(), &nodes[2]);
  queue.Remove(&nodes[0]);
  EXPECT_EQ(queue.earliest(), &nodes[2]);
  queue.Remove(&nodes[2]);
  EXPECT_EQ(queue.earliest(), nullptr);
}

TEST(KernelTimeoutQueue, RemoveOfWhatIsNotQueuedDoesNothing) {
  TimeoutQueue queue;
  TimeoutNode in, out;
  queue.Insert(&in, 5);
  queue.Remove(&out);
  EXPECT_EQ(queue.earliest(), &in);
}

TEST(KernelTimeoutQueue, ExtremeDeadlines) {
  TimeoutQueue queue;
  TimeoutNode least, most;
  queue.Insert(&most, ~uint64_t{0});
  queue.Insert(&least, 0);
  EXPECT_EQ(queue.earliest(), &least);
  queue.Remove(&least);
  EXPECT_EQ(queue.earliest(), &most);
}

// Orders that make other heaps degenerate.
TEST(KernelTimeoutQueue, SortedInsertions) {
  constexpr size_t kNodes = 1000;
  for (const bool ascending : {true, false}) {
    TimeoutQueue queue;
    std::vector<TimeoutNode> nodes(kNodes);
    for (size_t i = 0; i < kNodes; ++i) queue.Insert(&nodes[i], ascending ? i : kNodes - i);
    CheckWhole(queue, kNodes);
    uint64_t last = 0;
    for (size_t left = kNodes; left-- > 0;) {
      TimeoutNode* node = queue.earliest();
      ASSERT_GE(node->deadline, last);
      last = node->deadline;
      queue.Remove(node);
      if (left % 100 == 0) CheckWhole(queue, left);
    }
  }
}

TEST(KernelTimeoutQueue, RandomAgainstMultimap) {
  std::mt19937_64 random(kernel_test::Seed());
  TimeoutQueue queue;
  std::vector<std::unique_ptr<TimeoutNode>> nodes;
  nodes.reserve(200);
  for (int i = 0; i < 200; ++i) nodes.push_back(std::make_unique<TimeoutNode>());
  std::multimap<uint64_t, TimeoutNode*> model;
  for (uint64_t round = 0; round < kernel_test::Rounds(20000); ++round) {
    TimeoutNode* node = nodes[random() % nodes.size()].get();
    // Few values: equal deadlines are frequent.
    if (!node->queued) {
      const uint64_t deadline = random() % 64;
      queue.Insert(node, deadline);
      model.emplace(deadline, node);
    } else {
      if (random() % 3 == 0) node = queue.earliest();
      const auto [first, end] = model.equal_range(node->deadline);
      for (auto it = first; it != end; ++it) {
        if (it->second != node) continue;
        model.erase(it);
        break;
      }
      queue.Remove(node);
      ASSERT_FALSE(node->queued);
    }
    if (model.empty()) {
      ASSERT_EQ(queue.earliest(), nullptr);
    } else {
      ASSERT_EQ(queue.earliest()->deadline, model.begin()->first);
    }
    if (round % 64 == 0) CheckWhole(queue, model.size());
  }
}

}  // namespace
}  // namespace pyrene
