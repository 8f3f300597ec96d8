// SPDX-License-Identifier: Apache-2.0
#include "runtime/address_window.h"

#include <iterator>

namespace pyrene::runtime {
namespace {

constexpr uint64_t kPage = 4096;

}  // namespace

AddressWindow::AddressWindow(uint64_t begin, uint64_t end) { free_[begin] = end; }

uint64_t AddressWindow::Allocate(uint64_t pages, uint64_t align) {
  std::lock_guard lock(mutex_);
  for (auto range = free_.begin(); range != free_.end(); ++range) {
    const auto [begin, end] = *range;
    const uint64_t start = (begin + align - 1) & ~(align - 1);
    if (start < begin || start >= end || pages >= (end - start) / kPage) continue;
    const uint64_t stop = start + (pages + 1) * kPage;
    if (start == begin) {
      free_.erase(range);
    } else {
      range->second = start;
    }
    if (stop != end) free_[stop] = end;
    return start;
  }
  return 0;
}

void AddressWindow::Free(uint64_t address, uint64_t pages) {
  std::lock_guard lock(mutex_);
  uint64_t begin = address;
  uint64_t end = address + (pages + 1) * kPage;
  auto next = free_.lower_bound(begin);
  if (next != free_.end() && next->first == end) {
    end = next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->second == begin) {
      before->second = end;
      return;
    }
  }
  free_[begin] = end;
}

}  // namespace pyrene::runtime
