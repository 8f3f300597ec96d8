// SPDX-License-Identifier: Apache-2.0
//
// What lies in the memfd of a host Notification or Port: shared between threads and processes.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>

namespace pyrene::runtime::host {

inline constexpr uint64_t kNoBadge = ~uint64_t{0};

struct SharedNotification {
  std::atomic<uint64_t> bits;
  std::atomic<uint32_t> sequence;  // counts signals; the futex that a waiter sleeps on
};

struct SharedPort {
  enum class State : uint32_t { kIdle, kRequest, kServing, kReply };
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  State state;
  uint64_t badge;
  uint64_t word[8];
  uint32_t handle[4];  // of the sender's process: carried only between threads of one process
  int32_t process;
};

void InitializePort(void* shared);

}  // namespace pyrene::runtime::host
