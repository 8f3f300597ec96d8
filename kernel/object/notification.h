// SPDX-License-Identifier: Apache-2.0
//
// Notification: 64 sticky bits and at most one waiting thread. Signals and waits come from any CPU;
// an own lock, no other.
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/lib/list.h"
#include "kernel/lib/spinlock.h"
#include "kernel/object/object.h"

namespace pyrene {

class Notification;
class Thread;

// Something that signals bits of a notification by itself: an Irq, or a domain's faults. Linked so
// that the notification's end undoes it. `target` is read without a lock by the signaller; the rest
// is under the structure lock.
struct BindingTag {};
struct Binding : ListHook<BindingTag> {
  Notification* target = nullptr;
  uint64_t bits = 0;

  void Bind(Notification* notification, uint64_t bits);
  void Unbind();
  void Signal();
};

class Notification final : public Object {
 public:
  explicit Notification(Account& payer) : Object(payer) {}
  // Structure lock; the waiter gets kGone, bindings end, and nobody begins to wait any more.
  void Detach();

  void Signal(uint64_t bits);

  // For the current thread `thread`. True: the answer is in `status` and `bits`. False: the thread
  // is blocked now and its frame gets the answer when it is woken.
  bool Wait(Thread& thread, uint64_t mask, uint64_t deadline, Status& status, uint64_t& bits);

  // The thread's deadline passed, or it is being stopped. True if it was waiting here.
  bool CancelWait(Thread& thread, Status status);

 private:
  friend struct Binding;
  SpinLock lock_;
  uint64_t bits_ = 0;
  uint64_t mask_ = 0;
  Thread* waiter_ = nullptr;  // kClosed after Detach
  List<Binding, BindingTag> bindings_;
};

}  // namespace pyrene
