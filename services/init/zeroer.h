// SPDX-License-Identifier: Apache-2.0
//
// Zeroes guests' RAM on a thread of its own, with the vCPUs' priority, so that init's event loop,
// which outranks everybody, never works for long.
//
// The event loop maps a window of the memory, the thread fills it, the event loop goes on with the
// next. The thread is none of the C library's: it shares nothing else, takes no lock, allocates
// nothing and makes no Linux call.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>

#include "absl/status/status.h"
#include "runtime/event_loop.h"
#include "runtime/memory.h"
#include "runtime/notification.h"
#include "services/init/object.h"
#include "services/init/ram.h"

namespace pyrene::init {

class Zeroer {
 public:
  // `bit` of the loop's notification is the thread's.
  Zeroer(runtime::EventLoop& loop, unsigned bit) : loop_(loop), bit_(bit) {}
  absl::Status Start();

  // Zeroes `pieces`, which stay alive until `done` is called: with OkStatus, or an error when a
  // window could not be mapped, or Cancelled.
  void Add(const std::vector<Ram>* pieces, std::function<void(const absl::Status&)> done);
  // `done` comes when the thread has let go of them.
  void Cancel(const std::vector<Ram>* pieces);

 private:
  struct Job {
    const std::vector<Ram>* pieces;
    std::function<void(const absl::Status&)> done;
    size_t piece = 0;
    uint64_t page = 0;
    bool cancelled = false;
  };

  [[noreturn]] static void Thread(Zeroer* self);
  void OnDone();
  void Next();

  runtime::EventLoop& loop_;
  const unsigned bit_;
  Object work_;  // Notification
  Object thread_;
  alignas(16) std::array<uint8_t, 4096> stack_;
  std::deque<Job> jobs_;
  runtime::Memory window_;
  bool busy_ = false;
  std::atomic<uint8_t*> at_ = nullptr;
  std::atomic<size_t> bytes_ = 0;
};

}  // namespace pyrene::init
