// SPDX-License-Identifier: Apache-2.0
//
// Port: synchronous call and reply with eight words, up to four capabilities and the badge of the
// capability that was called. One thread at a time serves a port; callers queue in the order of
// their calls.
//
// On one CPU a call switches straight to the server, which runs on the caller's time and at least
// at its priority until it replies. A server on another CPU is woken instead.
//
// Lock order: structure lock (only when capabilities travel), port, scheduler.
#pragma once

#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/lib/list.h"
#include "kernel/lib/spinlock.h"
#include "kernel/object/object.h"

namespace pyrene {

class Thread;
struct CallersTag {};

class Port final : public Object {
 public:
  explicit Port(Account& payer) : Object(payer) {}
  // Structure lock. Everybody who waits here, or wants to from now on, gets kGone.
  void Detach();

  // By the current thread, whose frame holds the message. kOk: it is blocked when this returns.
  Status Call(Thread& caller, uint64_t badge);
  // Answers the thread being served, if `server` serves one, then waits for the next. kOk: the
  // frame has, or will have, a message. kNoRight: capabilities are to be moved, and `locked` says
  // that the structure lock is not held.
  Status ReplyWait(Thread& server, bool locked);

  // The thread stops: it waits here no more, to be called or to be answered.
  void LeaveWait(Thread& thread);
  // The thread stops for good: whom it serves gets kGone.
  void LeaveService(Thread& thread);

 private:
  void Deliver(Thread& caller, Thread& server);
  void Finish(Thread& caller, Status status);

  SpinLock lock_;
  Thread* receiver_ = nullptr;  // waits for a call
  Thread* server_ = nullptr;    // serves client_
  Thread* client_ = nullptr;
  bool closed_ = false;
  List<Thread, CallersTag> callers_;
};

}  // namespace pyrene
