// SPDX-License-Identifier: Apache-2.0
//
// Notifications and interrupt lines.
#include "kernel/cap/derivation.h"
#include "kernel/object/domain.h"
#include "kernel/object/irq.h"
#include "kernel/object/notification.h"
#include "kernel/object/thread.h"
#include "kernel/sched/structure_lock.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene {

Status NotificationCreate(Call& call) {
  StructureLock lock;
  if (!lock.held()) return kRestart;
  Slot* slot;
  if (Status s = call.domain.caps().Reserve(call.domain.account(), call.Argument(0), slot);
      s != Status::kOk)
    return s;
  auto* notification = call.domain.account().New<Notification>(call.domain.account());
  if (notification == nullptr) return Status::kNoMemory;
  Insert(*slot, nullptr, Slot::Pack(notification, ObjectType::kNotification, rights::kAll, true),
         0);
  return Status::kOk;
}

Status NotificationSignal(Call& call) {
  const Slot* slot = call.domain.caps().Find(call.Argument(0));
  Notification* notification;
  if (Status s =
          Find(call, call.Argument(0), ObjectType::kNotification, rights::kSignal, notification);
      s != Status::kOk)
    return s;
  // A badge is the set of bits that this capability may signal.
  const uint64_t allowed = slot->badge != 0 ? slot->badge : ~uint64_t{0};
  notification->Signal(call.Argument(1) & allowed);
  return Status::kOk;
}

Status NotificationWait(Call& call) {
  Notification* notification;
  if (Status s =
          Find(call, call.Argument(0), ObjectType::kNotification, rights::kWait, notification);
      s != Status::kOk)
    return s;
  Status status;
  uint64_t bits;
  if (!notification->Wait(call.thread, call.Argument(1), call.Argument(2), status, bits))
    return kAnswered;
  call.Result(1, bits);
  return status;
}

Status IrqDerive(Call& call) {
  StructureLock lock;
  if (!lock.held()) return kRestart;
  uint64_t word;
  if (Status s =
          LookUp(call.domain, call.Argument(1), ObjectType::kIrqControl, rights::kControl, word);
      s != Status::kOk)
    return s;
  Slot* slot;
  if (Status s = call.domain.caps().Reserve(call.domain.account(), call.Argument(0), slot);
      s != Status::kOk)
    return s;
  Status status;
  Irq* irq = Irq::Create(status, call.domain.account(), call.Argument(2));
  if (status != Status::kOk) return status;
  auto* parent = const_cast<Slot*>(call.domain.caps().Find(call.Argument(1)));
  Insert(*slot, parent, Slot::Pack(irq, ObjectType::kIrq, rights::kAll, true), 0);
  return Status::kOk;
}

Status IrqBind(Call& call) {
  Irq* irq;
  if (Status s = Find(call, call.Argument(0), ObjectType::kIrq, rights::kControl, irq);
      s != Status::kOk)
    return s;
  Notification* notification;
  if (Status s =
          Find(call, call.Argument(1), ObjectType::kNotification, rights::kSignal, notification);
      s != Status::kOk)
    return s;
  StructureLock lock;
  if (!lock.held()) return kRestart;
  irq->Bind(*notification, call.Argument(2));
  return Status::kOk;
}

Status IrqAcknowledge(Call& call) {
  Irq* irq;
  if (Status s = Find(call, call.Argument(0), ObjectType::kIrq, rights::kControl, irq);
      s != Status::kOk)
    return s;
  irq->Acknowledge();
  return Status::kOk;
}

}  // namespace pyrene
