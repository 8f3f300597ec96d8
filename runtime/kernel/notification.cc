// SPDX-License-Identifier: Apache-2.0
#include "runtime/notification.h"

#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/error.h"
#include "runtime/kernel/syscall.h"
#include "runtime/time_math.h"

namespace pyrene::runtime {

void OwnedHandle::Reset() {
  if (handle_ == kNoHandle) return;
  static_cast<void>(sys::CapDelete(handle_));
  Caps().Free(handle_);
  handle_ = kNoHandle;
}

absl::StatusOr<Notification> Notification::Create() {
  const CapIndex index = Caps().Allocate();
  if (index == kNullCap)
    return absl::ResourceExhaustedError("notification_create: no capability index left");
  if (const Status status = sys::NotificationCreate(index); status != Status::kOk) {
    Caps().Free(index);
    return ToStatus(status, "notification_create");
  }
  return Adopt(index);
}

void Notification::Signal(uint64_t bits) const {
  static_cast<void>(sys::NotificationSignal(handle_.get(), bits));
}

absl::StatusOr<uint64_t> Notification::Wait(uint64_t mask, uint64_t deadline) const {
  const uint64_t ticks =
      deadline == kNever ? kNoDeadline : NanosecondsToTicks(deadline, sys::TickFrequency());
  const sys::Wakeup wakeup = sys::NotificationWait(handle_.get(), mask, ticks);
  if (wakeup.status != Status::kOk) return ToStatus(wakeup.status, "notification_wait");
  return wakeup.bits;
}

uint64_t Notification::Poll(uint64_t mask) const {
  const sys::Wakeup wakeup = sys::NotificationWait(handle_.get(), mask, kPoll);
  return wakeup.status == Status::kOk ? wakeup.bits : 0;
}

absl::StatusOr<OwnedHandle> Notification::SignalHandle(uint64_t bits) const {
  const CapIndex index = Caps().Allocate();
  if (index == kNullCap) return absl::ResourceExhaustedError("cap_copy: no capability index left");
  const Rights rights = rights::kSignal | rights::kCopy;
  if (const Status status = sys::CapCopy(kNullCap, index, handle_.get(), rights, bits);
      status != Status::kOk) {
    Caps().Free(index);
    return ToStatus(status, "cap_copy");
  }
  return OwnedHandle(index);
}

}  // namespace pyrene::runtime
