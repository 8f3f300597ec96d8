// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/cap_allocator.h"

namespace pyrene::runtime {
namespace {

constinit CapAllocator caps;

// Of the 64 indices from `base` on, those below `limit`, as bits.
constexpr uint64_t Below(CapIndex limit, CapIndex base) {
  if (limit <= base) return 0;
  return limit - base >= 64 ? ~uint64_t{0} : (uint64_t{1} << (limit - base)) - 1;
}

}  // namespace

CapAllocator& Caps() { return caps; }

void CapAllocator::Initialize(CapIndex first_free, CapIndex end) {
  first_ = first_free == kNullCap ? kNullCap + 1 : first_free;
  end_ = end;
  for (unsigned w = 0; w < kWords; ++w) {
    const CapIndex base = w * 64;
    used_[w].store(Below(first_, base) | ~Below(end_, base), std::memory_order_relaxed);
  }
}

CapIndex CapAllocator::Allocate() {
  for (unsigned w = 0; w < kWords; ++w) {
    uint64_t old = used_[w].load(std::memory_order_relaxed);
    while (~old != 0) {
      const unsigned bit = static_cast<unsigned>(__builtin_ctzll(~old));
      if (used_[w].compare_exchange_weak(old, old | uint64_t{1} << bit,
                                         std::memory_order_acquire)) {
        return w * 64 + bit;
      }
    }
  }
  return kNullCap;
}

void CapAllocator::Free(CapIndex index) {
  if (index < first_ || index >= end_) return;
  used_[index / 64].fetch_and(~(uint64_t{1} << index % 64), std::memory_order_release);
}

bool CapAllocator::Take(CapIndex index) {
  if (index < first_ || index >= end_) return false;
  const uint64_t bit = uint64_t{1} << index % 64;
  return (used_[index / 64].fetch_or(bit, std::memory_order_acquire) & bit) == 0;
}

}  // namespace pyrene::runtime
