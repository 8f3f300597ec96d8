// SPDX-License-Identifier: Apache-2.0
//
// Notifications and interrupt lines.
#include "kernel/object/domain.h"
#include "kernel/object/irq.h"
#include "kernel/object/notification.h"
#include "kernel/object/thread.h"
#include "kernel/syscall/create.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene::syscalls {

Status NotificationCreate(Call& call) {
  PYRENE_LOCK_STRUCTURE();
  return CreateObject<Notification>(call, ObjectType::kNotification, rights::kAll, nullptr);
}

Status NotificationSignal(Call& call) {
  const Slot* slot = call.domain.caps().Find(call.Argument(0));
  Notification* notification;
  PYRENE_TRY(
      Find(call, call.Argument(0), ObjectType::kNotification, rights::kSignal, notification));
  // A badge is the set of bits that this capability may signal.
  const uint64_t allowed = slot->badge != 0 ? slot->badge : ~uint64_t{0};
  notification->Signal(call.Argument(1) & allowed);
  return Status::kOk;
}

Status NotificationWait(Call& call) {
  Notification* notification;
  PYRENE_TRY(Find(call, call.Argument(0), ObjectType::kNotification, rights::kWait, notification));
  Status status;
  uint64_t bits;
  if (!notification->Wait(call.thread, call.Argument(1), call.Argument(2), status, bits))
    return kAnswered;
  call.Result(1, bits);
  return status;
}

Status IrqDerive(Call& call) {
  PYRENE_LOCK_STRUCTURE();
  uint64_t word;
  PYRENE_TRY(
      LookUp(call.domain, call.Argument(1), ObjectType::kIrqControl, rights::kControl, word));
  Slot* slot;
  PYRENE_TRY(call.domain.caps().Reserve(call.domain.account(), call.Argument(0), slot));
  Status status;
  Irq* irq = Irq::Create(status, call.domain.account(), call.Argument(2));
  if (status != Status::kOk) return status;
  auto* parent = const_cast<Slot*>(call.domain.caps().Find(call.Argument(1)));
  Insert(*slot, parent, Slot::Pack(irq, ObjectType::kIrq, rights::kAll, true), 0);
  return Status::kOk;
}

Status IrqBind(Call& call) {
  Irq* irq;
  PYRENE_TRY(Find(call, call.Argument(0), ObjectType::kIrq, rights::kControl, irq));
  Notification* notification;
  PYRENE_TRY(
      Find(call, call.Argument(1), ObjectType::kNotification, rights::kSignal, notification));
  PYRENE_LOCK_STRUCTURE();
  irq->Bind(*notification, call.Argument(2));
  return Status::kOk;
}

Status IrqAcknowledge(Call& call) {
  Irq* irq;
  PYRENE_TRY(Find(call, call.Argument(0), ObjectType::kIrq, rights::kControl, irq));
  irq->Acknowledge();
  return Status::kOk;
}

}  // namespace pyrene::syscalls
