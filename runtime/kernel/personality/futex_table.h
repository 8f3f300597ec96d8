// SPDX-License-Identifier: Apache-2.0
//
// Who waits on which futex word. Every thread has one waiter of its own, so the table needs no
// memory and a call looks at no more than kMaxThreads of them; waiters on one word are woken in the
// order of their arrival.
//
// Platform: Lock(thread), Unlock(); Sleep(thread, deadline) until Wake(thread), which may come
// first: false when the deadline (of any unit) passed; it may return true early without reason.
//
// Race, wait against wake on one word:
//
//   W1  the waker changes the word         S1  the waiter locks, reads the word, joins the
//                                              queue, unlocks
//   W2  locks, takes waiters off the       S2  sleeps
//       queue, unlocks
//   W3  wakes them                         S3  looks whether it is still queued
//
// S1 before W2: W2 finds the waiter. W2 before S1: the lock makes W1 visible to S1. A deadline
// between W2 and W3 leaves a wake-up that comes too late; S3 of the next wait ignores it.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/kernel/personality/thread_lock.h"

namespace pyrene::personality {

enum class FutexResult { kWoken, kValueChanged, kTimedOut };

template <typename Platform>
class FutexTable {
 public:
  explicit constexpr FutexTable(Platform& platform) : platform_(platform) {}

  // Sleeps if `word` still holds `expected`, until a Wake whose bitset meets ours, or the deadline.
  FutexResult Wait(unsigned self, const std::atomic<uint32_t>* word, uint32_t expected,
                   uint32_t bitset, uint64_t deadline) {
    Waiter& waiter = waiters_[self];
    platform_.Lock(self);
    if (word->load(std::memory_order_relaxed) != expected) {
      platform_.Unlock();
      return FutexResult::kValueChanged;
    }
    waiter.word = word;
    waiter.bitset = bitset;
    waiter.ticket = next_ticket_++;
    waiter.queued.store(true, std::memory_order_relaxed);
    platform_.Unlock();
    while (waiter.queued.load(std::memory_order_acquire)) {
      if (platform_.Sleep(self, deadline)) continue;
      platform_.Lock(self);
      const bool in_time = !waiter.queued.exchange(false, std::memory_order_relaxed);
      platform_.Unlock();
      return in_time ? FutexResult::kWoken : FutexResult::kTimedOut;
    }
    return FutexResult::kWoken;
  }

  // Wakes at most `count` waiters; answers how many.
  uint32_t Wake(unsigned self, const std::atomic<uint32_t>* word, uint32_t count, uint32_t bitset) {
    uint64_t woken = 0;
    uint32_t number = 0;
    platform_.Lock(self);
    while (number < count) {
      const int first = First(word, bitset);
      if (first < 0) break;
      waiters_[first].queued.store(false, std::memory_order_release);
      woken |= uint64_t{1} << first;
      ++number;
    }
    platform_.Unlock();
    for (; woken != 0; woken &= woken - 1)
      platform_.Wake(static_cast<unsigned>(__builtin_ctzll(woken)));
    return number;
  }

 private:
  struct Waiter {
    const std::atomic<uint32_t>* word = nullptr;
    uint64_t ticket = 0;
    uint32_t bitset = 0;
    std::atomic<bool> queued = false;
  };

  int First(const std::atomic<uint32_t>* word, uint32_t bitset) const {
    int first = -1;
    for (unsigned i = 0; i < kMaxThreads; ++i) {
      const Waiter& w = waiters_[i];
      if (!w.queued.load(std::memory_order_relaxed) || w.word != word || (w.bitset & bitset) == 0)
        continue;
      if (first < 0 || w.ticket < waiters_[first].ticket) first = static_cast<int>(i);
    }
    return first;
  }

  Platform& platform_;
  uint64_t next_ticket_ = 0;
  Waiter waiters_[kMaxThreads];
};

}  // namespace pyrene::personality
