// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/personality/process.h"

#include "runtime/kernel/syscall.h"

namespace pyrene::personality {
namespace {

constinit Process process;

}  // namespace

Process& TheProcess() { return process; }

bool Process::Sleep(unsigned self, uint64_t deadline) {
  return sys::NotificationWait(threads[self]->notification, wake_bits::kFutex, deadline).status !=
         Status::kTimeout;
}

void Process::Wake(unsigned thread) {
  static_cast<void>(sys::NotificationSignal(threads[thread]->notification, wake_bits::kFutex));
}

void Process::LockSleeper::Sleep(unsigned self) {
  static_cast<void>(sys::NotificationWait(TheProcess().threads[self]->notification,
                                          wake_bits::kLock, kNoDeadline));
}

void Process::LockSleeper::Wake(unsigned thread) {
  static_cast<void>(
      sys::NotificationSignal(TheProcess().threads[thread]->notification, wake_bits::kLock));
}

}  // namespace pyrene::personality
