// SPDX-License-Identifier: Apache-2.0
//
// Free indices of this domain's capability table. A bitmap without a lock, so that normal code,
// every thread and the upcall may use it. It knows indices only: who frees one has deleted the
// capability in it before.
#pragma once

#include <atomic>
#include <cstdint>

#include "kernel/abi/capability.h"

namespace pyrene::runtime {

class CapAllocator {
 public:
  constexpr CapAllocator() = default;

  // Once, before use: only indices from `first_free` to `end` - 1, at most kMaxCaps - 1, are given
  // out.
  void Initialize(CapIndex first_free, CapIndex end = kMaxCaps);

  // The lowest free index, or kNullCap when all are taken.
  CapIndex Allocate();

  // No effect on one that is free already, or not this allocator's to give.
  void Free(CapIndex index);

  // Takes one index that the creator is known to fill later. False if it is taken.
  bool Take(CapIndex index);

 private:
  static constexpr unsigned kWords = kMaxCaps / 64;
  std::atomic<uint64_t> used_[kWords] = {};
  CapIndex first_ = kNullCap + 1;
  CapIndex end_ = kMaxCaps;
};

// The allocator of this service; ready before main().
CapAllocator& Caps();

}  // namespace pyrene::runtime
