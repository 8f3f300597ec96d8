// SPDX-License-Identifier: Apache-2.0
//
// A mutex for state that several of the VMM's threads change. Not contended it costs a
// compare-and-swap and an exchange; a loser sleeps (futex), so that a thread of high priority never
// spins against the holder on its own CPU. Lockable in the sense of std::lock_guard.
#pragma once

#include <atomic>

namespace pyrene::vmm {

class Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() {
    int free = 0;
    if (!word_.compare_exchange_strong(free, 1, std::memory_order_acquire)) [[unlikely]] {
      LockContended();
    }
  }
  bool try_lock() {
    int free = 0;
    return word_.compare_exchange_strong(free, 1, std::memory_order_acquire);
  }
  void unlock() {
    if (word_.exchange(0, std::memory_order_release) == 2) [[unlikely]]
      WakeOne();
  }

 private:
  void LockContended();
  void WakeOne();

  std::atomic<int> word_{0};  // 0 free, 1 held, 2 held and somebody sleeps
};

}  // namespace pyrene::vmm
