// SPDX-License-Identifier: Apache-2.0
//
// The lock inside the personality. A waiter sleeps: under fixed priorities a spinning thread would
// never let a less urgent holder on the same CPU run. All state is one word (held, and who waits),
// so no thread ever waits for another to finish an update.
//
// Platform: Sleep(thread) blocks thread `thread` until Wake(thread), which may come first, and may
// return early without reason.
#pragma once

#include <atomic>
#include <cstdint>

namespace pyrene::personality {

inline constexpr unsigned kMaxThreads =
    32;  // a VMM has one per vCPU, of which GICv2 allows 8, and a few more

class ThreadLock {
 public:
  constexpr ThreadLock() = default;

  // `self` is the caller's thread number, below kMaxThreads. Not recursive.
  template <typename Platform>
  void Lock(Platform& platform, unsigned self) {
    const uint64_t mine = uint64_t{1} << self;
    uint64_t old = 0;
    if (word_.compare_exchange_strong(old, kHeld, std::memory_order_acquire)) return;
    while (true) {
      if ((old & kHeld) == 0) {
        if (word_.compare_exchange_weak(old, (old & ~mine) | kHeld, std::memory_order_acquire))
          return;
      } else if (word_.compare_exchange_weak(old, old | mine, std::memory_order_relaxed)) {
        // Unlock finds our bit in the very word that it changes, so the wake-up can not be lost.
        platform.Sleep(self);
        old = word_.load(std::memory_order_relaxed);
      }
    }
  }

  template <typename Platform>
  void Unlock(Platform& platform) {
    uint64_t old = word_.load(std::memory_order_relaxed);
    uint64_t next;
    do {
      const uint64_t waiters = old & ~kHeld;
      next = waiters & (~waiters + 1);
    } while (!word_.compare_exchange_weak(old, old & ~(kHeld | next), std::memory_order_release));
    if (next != 0) platform.Wake(static_cast<unsigned>(__builtin_ctzll(next)));
  }

 private:
  static constexpr uint64_t kHeld = uint64_t{1} << 63;
  static_assert(kMaxThreads <= 63);
  std::atomic<uint64_t> word_ = 0;
};

}  // namespace pyrene::personality
