// SPDX-License-Identifier: Apache-2.0
//
// The futex table and the lock below it, with real threads whose Sleep and Wake behave like
// notifications (sticky, spurious).
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/kernel/personality/futex_table.h"

namespace pyrene::personality {
namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kForever = ~uint64_t{0};
constexpr uint32_t kAny = ~uint32_t{0};

class Bits {
 public:
  void Signal(uint64_t bits) {
    std::lock_guard lock(mutex_);
    bits_ |= bits;
    changed_.notify_all();
  }
  bool Wait(uint64_t mask, uint64_t deadline_ms) {
    std::unique_lock lock(mutex_);
    const auto ready = [&] { return (bits_ & mask) != 0; };
    if (deadline_ms == kForever) {
      changed_.wait(lock, ready);
    } else if (!changed_.wait_until(lock, Clock::time_point(std::chrono::milliseconds(deadline_ms)),
                                    ready)) {
      return false;
    }
    bits_ &= ~mask;
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t bits_ = 0;
};

class FakePlatform {
 public:
  void Lock(unsigned self) { lock_.Lock(sleeper_, self); }
  void Unlock() { lock_.Unlock(sleeper_); }
  bool Sleep(unsigned self, uint64_t deadline) { return bits_[self].Wait(1, deadline); }
  void Wake(unsigned thread) { bits_[thread].Signal(1); }

 private:
  struct Sleeper {
    FakePlatform& platform;
    void Sleep(unsigned self) { platform.bits_[self].Wait(2, kForever); }
    void Wake(unsigned thread) { platform.bits_[thread].Signal(2); }
  };
  Bits bits_[kMaxThreads];
  ThreadLock lock_;
  Sleeper sleeper_{*this};
};

uint64_t In(int ms) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
             .count() +
         ms;
}

class FutexTableTest : public testing::Test {
 protected:
  // Until `n` more threads of this test are in the queue: Wake with count 0 would not tell, so
  // their flag does.
  static void Settle() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

  FakePlatform platform_;
  FutexTable<FakePlatform> table_{platform_};
};

TEST_F(FutexTableTest, ValueThatChangedIsNotWaitedFor) {
  std::atomic<uint32_t> word = 7;
  EXPECT_EQ(table_.Wait(0, &word, 8, kAny, kForever), FutexResult::kValueChanged);
}

TEST_F(FutexTableTest, DeadlineEndsTheWait) {
  std::atomic<uint32_t> word = 7;
  EXPECT_EQ(table_.Wait(0, &word, 7, kAny, In(5)), FutexResult::kTimedOut);
  EXPECT_EQ(table_.Wake(1, &word, 10, kAny), 0u) << "a waiter that timed out is off the queue";
}

TEST_F(FutexTableTest, StaleWakeUpDoesNotEndTheNextWait) {
  std::atomic<uint32_t> word = 7;
  platform_.Wake(0);
  EXPECT_EQ(table_.Wait(0, &word, 7, kAny, In(5)), FutexResult::kTimedOut);
}

TEST_F(FutexTableTest, WakesInOrderOfArrivalAndByBitset) {
  std::atomic<uint32_t> word = 0;
  std::mutex mutex;
  std::vector<unsigned> order;
  std::vector<std::thread> threads;
  for (unsigned i = 1; i <= 3; ++i) {
    threads.emplace_back([&, i] {
      EXPECT_EQ(table_.Wait(i, &word, 0, i == 2 ? 2 : 1, kForever), FutexResult::kWoken);
      std::lock_guard lock(mutex);
      order.push_back(i);
    });
    Settle();
  }
  EXPECT_EQ(table_.Wake(0, &word, 1, kAny), 1u);
  threads[0].join();
  EXPECT_EQ(table_.Wake(0, &word, 9, 1), 1u);
  threads[2].join();
  std::atomic<uint32_t> other = 0;
  EXPECT_EQ(table_.Wake(0, &other, 9, kAny), 0u);
  EXPECT_EQ(table_.Wake(0, &word, 9, 2), 1u);
  threads[1].join();
  EXPECT_EQ(order, (std::vector<unsigned>{1, 3, 2}));
}

// A mutex as glibc builds one of futexes: no update is lost, nobody sleeps for ever, deadlines
// mixed in.
TEST_F(FutexTableTest, MutexOfFutexesUnderContention) {
  constexpr unsigned kThreads = 6;
  constexpr int kRounds = 3000;
  std::atomic<uint32_t> word = 0;
  int counter = 0;
  std::vector<std::thread> threads;
  for (unsigned self = 0; self < kThreads; ++self) {
    threads.emplace_back([&, self] {
      for (int i = 0; i < kRounds; ++i) {
        uint32_t old = 0;
        if (!word.compare_exchange_strong(old, 1)) {
          while (word.exchange(2) != 0)
            table_.Wait(self, &word, 2, kAny, i % 5 == 0 ? In(1) : kForever);
        }
        ++counter;
        if (word.exchange(0) == 2) table_.Wake(self, &word, 1, kAny);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, static_cast<int>(kThreads) * kRounds);
}

TEST_F(FutexTableTest, LockExcludesAndWakesEveryWaiter) {
  constexpr unsigned kThreads = 8;
  int counter = 0;
  std::vector<std::thread> threads;
  for (unsigned self = 0; self < kThreads; ++self) {
    threads.emplace_back([&, self] {
      for (int i = 0; i < 5000; ++i) {
        platform_.Lock(self);
        ++counter;
        platform_.Unlock();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, static_cast<int>(kThreads) * 5000);
}

}  // namespace
}  // namespace pyrene::personality
