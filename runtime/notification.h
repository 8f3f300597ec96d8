// SPDX-License-Identifier: Apache-2.0
//
// Notification: 64 sticky bits, set by anybody who may signal, waited for by one thread at a time.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/clock.h"
#include "runtime/handle.h"

namespace pyrene::runtime {

inline constexpr uint64_t kAllBits = ~uint64_t{0};

class Notification {
 public:
  Notification() = default;  // names none

  // A fresh one of this service; ResourceExhausted.
  static absl::StatusOr<Notification> Create();
  // One that the creator or a peer gave; the handle is this object's from now on.
  static Notification Adopt(Handle handle) { return Notification(OwnedHandle(handle)); }

  Handle handle() const { return handle_.get(); }
  explicit operator bool() const { return static_cast<bool>(handle_); }

  // Sets bits; any thread. Through a badged handle at most the badge's bits, so a peer signals
  // kAllBits. Cheap, never blocks; a notification that is gone is not the signaller's problem, so
  // errors are dropped.
  void Signal(uint64_t bits = kAllBits) const;

  // Waits until a bit of `mask` is set, clears and answers those that are. DeadlineExceeded;
  // Unavailable when another thread waits already or the notification was destroyed.
  absl::StatusOr<uint64_t> Wait(uint64_t mask, uint64_t deadline = kNever) const;

  // Bits of `mask` that are set now, cleared; 0 if none.
  uint64_t Poll(uint64_t mask = kAllBits) const;

  // A handle that may only signal, and only `bits`: what a peer gets a copy of. The copy ends with
  // it.
  absl::StatusOr<OwnedHandle> SignalHandle(uint64_t bits) const;

 private:
  explicit Notification(OwnedHandle handle) : handle_(std::move(handle)) {}
  OwnedHandle handle_;
};

}  // namespace pyrene::runtime
