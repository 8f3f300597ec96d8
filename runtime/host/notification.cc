// SPDX-License-Identifier: Apache-2.0
#include "runtime/notification.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

#include "runtime/host/objects.h"
#include "runtime/host/shared_state.h"

namespace pyrene::runtime {
namespace {

host::SharedNotification* SharedOf(Handle handle) {
  const host::Object* const object = host::Find(handle, host::Kind::kNotification);
  return object == nullptr ? nullptr : static_cast<host::SharedNotification*>(object->shared);
}

}  // namespace

absl::StatusOr<Notification> Notification::Create() {
  const absl::StatusOr<Handle> handle = host::CreateObject(host::Kind::kNotification);
  if (!handle.ok()) return handle.status();
  return Adopt(*handle);
}

void Notification::Signal(uint64_t bits) const {
  const host::Object* const object = host::Find(handle_.get(), host::Kind::kNotification);
  if (object == nullptr) return;
  auto* const shared = static_cast<host::SharedNotification*>(object->shared);
  shared->bits.fetch_or(bits & object->badge, std::memory_order_seq_cst);
  shared->sequence.fetch_add(1, std::memory_order_seq_cst);
  syscall(SYS_futex, &shared->sequence, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

absl::StatusOr<uint64_t> Notification::Wait(uint64_t mask, uint64_t deadline) const {
  host::SharedNotification* const shared = SharedOf(handle_.get());
  if (shared == nullptr) return absl::NotFoundError("notification_wait: no such handle");
  timespec until = {static_cast<time_t>(deadline / kSecond), static_cast<long>(deadline % kSecond)};
  while (true) {
    // Read before the bits: a signal after this changes it, and the futex does not sleep.
    const uint32_t sequence = shared->sequence.load(std::memory_order_seq_cst);
    const uint64_t bits = shared->bits.fetch_and(~mask, std::memory_order_seq_cst) & mask;
    if (bits != 0) return bits;
    if (deadline != kNever && MonotonicNow() >= deadline)
      return absl::DeadlineExceededError("notification_wait");
    syscall(SYS_futex, &shared->sequence, FUTEX_WAIT_BITSET, sequence,
            deadline == kNever ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
  }
}

uint64_t Notification::Poll(uint64_t mask) const {
  host::SharedNotification* const shared = SharedOf(handle_.get());
  return shared == nullptr ? 0 : shared->bits.fetch_and(~mask, std::memory_order_seq_cst) & mask;
}

absl::StatusOr<OwnedHandle> Notification::SignalHandle(uint64_t bits) const {
  const absl::StatusOr<Handle> copy = host::CopyHandle(handle_.get(), bits);
  if (!copy.ok()) return copy.status();
  return OwnedHandle(*copy);
}

}  // namespace pyrene::runtime
