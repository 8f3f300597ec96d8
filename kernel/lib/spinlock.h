// SPDX-License-Identifier: Apache-2.0
//
// Ticket lock. Held only in the kernel, where interrupts are masked, so a holder is never
// preempted.
#pragma once

#include <cstdint>

#include "kernel/arch/barrier.h"

namespace pyrene {

class SpinLock {
 public:
  void Lock() {
    const uint16_t ticket = __atomic_fetch_add(&next_, uint16_t{1}, __ATOMIC_RELAXED);
    while (__atomic_load_n(&serving_, __ATOMIC_ACQUIRE) != ticket) arch::Relax();
  }
  // Takes the lock only if it is free at once.
  bool TryLock() {
    uint16_t ticket = __atomic_load_n(&serving_, __ATOMIC_ACQUIRE);
    uint16_t expected = ticket;
    return __atomic_compare_exchange_n(&next_, &expected, static_cast<uint16_t>(ticket + 1), false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
  }
  void Unlock() {
    __atomic_store_n(&serving_, static_cast<uint16_t>(serving_ + 1), __ATOMIC_RELEASE);
  }

 private:
  uint16_t next_ = 0;
  uint16_t serving_ = 0;
};

class LockGuard {
 public:
  explicit LockGuard(SpinLock& lock) : lock_(lock) { lock_.Lock(); }
  ~LockGuard() { lock_.Unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  SpinLock& lock_;
};

}  // namespace pyrene
