// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/port.h"

#include "kernel/cap/transfer.h"
#include "kernel/object/thread.h"
#include "kernel/sched/scheduler.h"

namespace pyrene {
namespace {

constexpr unsigned kWords = 8;
// Registers of the port calls (kernel/abi/syscall.h).
constexpr unsigned kStatus = 8;
constexpr unsigned kBadge = 9;
constexpr unsigned kCapabilities = 10;
constexpr unsigned kSlots = 11;

void CopyMessage(Thread& from, Thread& to) {
  const uint64_t* source = from.frame().x;
  uint64_t* target = to.frame().x;
  for (unsigned i = 0; i < kWords; ++i) target[i] = source[i];
  const uint64_t capabilities = source[kCapabilities];
  target[kCapabilities] =
      capabilities == 0 ? 0 : TransferCapabilities(from, capabilities, to, target[kSlots]);
}

}  // namespace

void Port::Finish(Thread& caller, Status status) {
  caller.frame().x[kStatus] = static_cast<uint64_t>(status);
  caller.port = nullptr;
  Scheduler::Wake(caller);
}

void Port::Detach() {
  LockGuard guard(lock_);
  while (Thread* caller = callers_.PopFront()) Finish(*caller, Status::kGone);
  if (client_ != nullptr) Finish(*client_, Status::kGone);
  if (receiver_ != nullptr) Finish(*receiver_, Status::kGone);
  client_ = receiver_ = nullptr;
  closed_ = true;
  if (server_ != nullptr) {
    server_->serving = nullptr;
    server_->EndService();
    server_ = nullptr;
  }
}

void Port::Deliver(Thread& caller, Thread& server) {
  CopyMessage(caller, server);
  server.frame().x[kBadge] = caller.call_badge;
  server.frame().x[kStatus] = static_cast<uint64_t>(Status::kOk);
  client_ = &caller;
  server_ = &server;
  server.port = nullptr;
  server.serving = this;
}

Status Port::Call(Thread& caller, uint64_t badge) {
  LockGuard guard(lock_);
  if (closed_) return Status::kGone;
  caller.call_badge = badge;
  caller.port = this;
  Thread* server = receiver_;
  if (server == nullptr) {
    callers_.PushBack(&caller);
    Scheduler::Block(caller, kNoDeadline);
    return Status::kOk;
  }
  receiver_ = nullptr;
  Deliver(caller, *server);
  if (server->cpu() == caller.cpu()) {
    Scheduler::Donate(caller, *server);
  } else {
    Scheduler::Block(caller, kNoDeadline);
    Scheduler::Wake(*server);
  }
  return Status::kOk;
}

Status Port::ReplyWait(Thread& server, bool locked) {
  LockGuard guard(lock_);
  if (closed_) return Status::kGone;
  if (receiver_ != nullptr || (server_ != nullptr && server_ != &server)) return Status::kBusy;
  if (server.serving != nullptr && server.serving != this) return Status::kBusy;
  Thread* client = client_;
  Thread* next = callers_.front();
  const bool moves = (client != nullptr && server.frame().x[kCapabilities] != 0) ||
                     (next != nullptr && next->frame().x[kCapabilities] != 0);
  if (moves && !locked) return Status::kNoRight;
  server_ = client_ = nullptr;
  server.serving = nullptr;
  if (client != nullptr) {
    CopyMessage(server, *client);
    client->frame().x[kStatus] = static_cast<uint64_t>(Status::kOk);
    client->port = nullptr;
  }
  if (next != nullptr) {
    List<Thread, CallersTag>::Remove(next);
    server.EndService();
    Deliver(*next, server);
    if (next->cpu() == server.cpu()) server.Serve(*next);
    if (client != nullptr) Scheduler::Wake(*client);
    return Status::kOk;
  }
  receiver_ = &server;
  server.port = this;
  if (client != nullptr && client->cpu() == server.cpu()) {
    Scheduler::ReturnDonation(server, *client);
  } else {
    server.EndService();
    Scheduler::Block(server, kNoDeadline);
    if (client != nullptr) Scheduler::Wake(*client);
  }
  return Status::kOk;
}

void Port::LeaveService(Thread& thread) {
  LockGuard guard(lock_);
  if (server_ != &thread) return;
  server_ = nullptr;
  thread.serving = nullptr;
  thread.EndService();
  Thread* client = client_;
  client_ = nullptr;
  if (client != nullptr) Finish(*client, Status::kGone);
}

void Port::LeaveWait(Thread& thread) {
  LockGuard guard(lock_);
  if (thread.port != this) return;
  thread.port = nullptr;
  thread.frame().x[kStatus] = static_cast<uint64_t>(Status::kGone);
  if (receiver_ == &thread) {
    receiver_ = nullptr;
  } else if (client_ == &thread) {
    client_ = nullptr;  // the reply goes nowhere
    if (server_ != nullptr) server_->EndService();
  } else {
    List<Thread, CallersTag>::Remove(&thread);
  }
}

}  // namespace pyrene
