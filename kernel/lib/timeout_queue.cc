// SPDX-License-Identifier: Apache-2.0
#include "kernel/lib/timeout_queue.h"

namespace pyrene {
namespace {

uint32_t RankOf(const TimeoutNode* node) { return node == nullptr ? 0 : node->rank; }

// Restores "left is at least as deep as right" from `node` upwards. Stops where nothing changes:
// ranks on the way up are at most log2(n + 1), so this takes no more steps than that.
void Repair(TimeoutNode* node) {
  while (node != nullptr) {
    if (RankOf(node->left) < RankOf(node->right)) {
      TimeoutNode* left = node->left;
      node->left = node->right;
      node->right = left;
    }
    const uint32_t rank = RankOf(node->right) + 1;
    if (rank == node->rank) return;
    node->rank = rank;
    node = node->parent;
  }
}

}  // namespace

TimeoutNode* TimeoutQueue::Merge(TimeoutNode* a, TimeoutNode* b) {
  // Down along the right spines, each at most log2(n + 1) long, hanging the later root below the
  // earlier one; then repair upwards.
  TimeoutNode* root = nullptr;
  TimeoutNode* last = nullptr;
  while (a != nullptr && b != nullptr) {
    if (b->deadline < a->deadline) {
      TimeoutNode* swap = a;
      a = b;
      b = swap;
    }
    TimeoutNode* rest = a->right;
    if (last == nullptr) {
      root = a;
      a->parent = nullptr;
    } else {
      last->right = a;
      a->parent = last;
    }
    last = a;
    a = rest;
  }
  TimeoutNode* rest = a != nullptr ? a : b;
  if (last == nullptr) {
    if (rest != nullptr) rest->parent = nullptr;
    return rest;
  }
  last->right = rest;
  if (rest != nullptr) rest->parent = last;
  for (TimeoutNode* node = last; node != nullptr; node = node->parent) {
    if (RankOf(node->left) < RankOf(node->right)) {
      TimeoutNode* left = node->left;
      node->left = node->right;
      node->right = left;
    }
    node->rank = RankOf(node->right) + 1;
  }
  return root;
}

void TimeoutQueue::Insert(TimeoutNode* node, uint64_t deadline) {
  *node = TimeoutNode{deadline, nullptr, nullptr, nullptr, 1, true};
  root_ = Merge(root_, node);
}

void TimeoutQueue::Remove(TimeoutNode* node) {
  if (!node->queued) return;
  TimeoutNode* parent = node->parent;
  TimeoutNode* merged = Merge(node->left, node->right);
  if (parent == nullptr) {
    root_ = merged;
  } else {
    (parent->left == node ? parent->left : parent->right) = merged;
    if (merged != nullptr) merged->parent = parent;
    Repair(parent);
  }
  *node = TimeoutNode{};
}

}  // namespace pyrene
