// SPDX-License-Identifier: Apache-2.0
//
// Calls through ports have registers of their own (kernel/abi/syscall.h): x0..x7 are the message,
// the answer's status is in x8.
#include "kernel/object/domain.h"
#include "kernel/object/port.h"
#include "kernel/object/thread.h"
#include "kernel/syscall/create.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene::syscalls {
namespace {

constexpr unsigned kStatus = 8;
constexpr unsigned kPortIndex = 9;
constexpr unsigned kCapabilities = 10;

// Errors go to x8; what is kAnswered or kRestart stays.
Status Answer(Call& call, Status status) {
  if (status == kAnswered || status == kRestart) return status;
  call.Result(kStatus, static_cast<uint64_t>(status));
  return kAnswered;
}

Status LockedCall(Call& call, Port& port, uint64_t badge) {
  PYRENE_LOCK_STRUCTURE();
  return port.Call(call.thread, badge);
}

Status LockedReplyWait(Call& call, Port& port) {
  PYRENE_LOCK_STRUCTURE();
  return port.ReplyWait(call.thread, true);
}

}  // namespace

Status PortCreate(Call& call) {
  PYRENE_LOCK_STRUCTURE();
  return CreateObject<Port>(call, ObjectType::kPort, rights::kAll, nullptr);
}

Status PortCall(Call& call) {
  Port* port;
  const uint64_t index = call.Argument(kPortIndex);
  if (Status s = Find(call, index, ObjectType::kPort, rights::kCall, port); s != Status::kOk)
    return Answer(call, s);
  const uint64_t badge = call.domain.caps().Find(index)->badge;
  // A server that called its own port would wait for itself.
  if (call.thread.serving == port) return Answer(call, Status::kBusy);
  const Status status = call.Argument(kCapabilities) != 0 ? LockedCall(call, *port, badge)
                                                          : port->Call(call.thread, badge);
  return status == Status::kOk ? kAnswered : Answer(call, status);
}

Status PortReplyWait(Call& call) {
  Port* port;
  if (Status s = Find(call, call.Argument(kPortIndex), ObjectType::kPort, rights::kReceive, port);
      s != Status::kOk)
    return Answer(call, s);
  Status status = port->ReplyWait(call.thread, false);
  if (status == Status::kNoRight) status = LockedReplyWait(call, *port);
  return status == Status::kOk ? kAnswered : Answer(call, status);
}

}  // namespace pyrene::syscalls
