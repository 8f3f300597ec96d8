// SPDX-License-Identifier: Apache-2.0
//
// Which pages of a data Memory are in use: runs of pages, each
// of a request. First fit, so that few pages are used again and again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace pyrene::block {

class PagePool {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // All free.
  explicit PagePool(uint32_t pages) : used_(pages, false) {}

  // The first page of a run, or kNone.
  uint32_t Allocate(uint32_t pages) {
    const uint32_t first = Find(pages);
    if (first == kNone) return kNone;
    Mark(first, pages, true);
    if (first == lowest_) lowest_ = first + pages;
    return first;
  }
  bool HasRun(uint32_t pages) const { return Find(pages) != kNone; }
  void Free(uint32_t first, uint32_t pages) {
    Mark(first, pages, false);
    lowest_ = std::min(lowest_, first);
  }

 private:
  uint32_t Find(uint32_t pages) const {
    uint32_t run = 0;
    for (uint32_t at = lowest_; at < used_.size(); ++at) {
      run = used_[at] ? 0 : run + 1;
      if (run == pages) return at + 1 - pages;
    }
    return kNone;
  }
  void Mark(uint32_t first, uint32_t pages, bool used) {
    for (uint32_t i = 0; i < pages; ++i) used_[first + i] = used;
  }

  std::vector<uint8_t> used_;
  uint32_t lowest_ = 0;  // no page below is free
};

}  // namespace pyrene::block
