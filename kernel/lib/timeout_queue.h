// SPDX-License-Identifier: Apache-2.0
//
// Deadlines of one CPU, earliest first: a leftist heap of intrusive nodes. Insert and remove take
// O(log n) steps, however many threads wait, and need no memory. Guarded by the CPU's scheduler
// lock.
#pragma once

#include <cstdint>

namespace pyrene {

struct TimeoutNode {
  uint64_t deadline = 0;
  TimeoutNode* parent = nullptr;
  TimeoutNode* left = nullptr;
  TimeoutNode* right = nullptr;
  uint32_t rank = 0;  // nodes on the shortest way down to a missing child
  bool queued = false;
};

class TimeoutQueue final {
 public:
  void Insert(TimeoutNode* node, uint64_t deadline);
  // Does nothing if the node is not queued.
  void Remove(TimeoutNode* node);
  TimeoutNode* earliest() const { return root_; }

 private:
  static TimeoutNode* Merge(TimeoutNode* a, TimeoutNode* b);
  TimeoutNode* root_ = nullptr;
};

}  // namespace pyrene
