// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/notification.h"

#include "kernel/object/thread.h"
#include "kernel/sched/scheduler.h"

namespace pyrene {
namespace {

// In waiter_: whoever found the notification before its end waits in vain. Never dereferenced: its
// mask is empty.
Thread* const kClosed = reinterpret_cast<Thread*>(1);

}  // namespace

void Binding::Bind(Notification* notification, uint64_t new_bits) {
  Unbind();
  bits = new_bits;
  notification->bindings_.PushBack(this);
  __atomic_store_n(&target, notification, __ATOMIC_RELEASE);
}

void Binding::Unbind() {
  if (target == nullptr) return;
  __atomic_store_n(&target, static_cast<Notification*>(nullptr), __ATOMIC_RELEASE);
  Unlink();
}

void Binding::Signal() {
  Notification* notification = __atomic_load_n(&target, __ATOMIC_ACQUIRE);
  if (notification != nullptr) notification->Signal(bits);
}

void Notification::Detach() {
  while (Binding* binding = bindings_.front()) binding->Unbind();
  Thread* waiter;
  {
    LockGuard guard(lock_);
    waiter = waiter_;
    waiter_ = kClosed;
    mask_ = 0;
    if (waiter == nullptr) return;
    waiter->FinishWait(Status::kGone, 0);
  }
  Scheduler::Wake(*waiter);
}

void Notification::Signal(uint64_t bits) {
  lock_.Lock();
  bits_ |= bits;
  Thread* waiter = waiter_;
  const uint64_t taken = bits_ & mask_;
  if (waiter == nullptr || taken == 0) {
    lock_.Unlock();
    return;
  }
  bits_ &= ~taken;
  waiter_ = nullptr;
  waiter->FinishWait(Status::kOk, taken);
  lock_.Unlock();
  Scheduler::Wake(*waiter);
}

bool Notification::Wait(Thread& thread, uint64_t mask, uint64_t deadline, Status& status,
                        uint64_t& bits) {
  LockGuard guard(lock_);
  bits = bits_ & mask;
  if (bits != 0) {
    bits_ &= ~bits;
    status = Status::kOk;
    return true;
  }
  if (deadline == kPoll) {
    status = Status::kTimeout;
    return true;
  }
  if (waiter_ != nullptr) {
    status = waiter_ == kClosed ? Status::kGone : Status::kBusy;
    return true;
  }
  waiter_ = &thread;
  mask_ = mask;
  thread.BeginWait(*this);
  // Blocked before the lock is released: a signal from another CPU that comes now finds a thread it
  // can wake.
  Scheduler::Block(thread, deadline);
  return false;
}

bool Notification::CancelWait(Thread& thread, Status status) {
  {
    LockGuard guard(lock_);
    if (waiter_ != &thread) return false;
    waiter_ = nullptr;
    thread.FinishWait(status, 0);
  }
  Scheduler::Wake(thread);
  return true;
}

}  // namespace pyrene
