// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/destroy.h"

#include "kernel/object/domain.h"
#include "kernel/object/irq.h"
#include "kernel/object/memory_object.h"
#include "kernel/object/notification.h"
#include "kernel/object/port.h"
#include "kernel/object/thread.h"
#include "kernel/object/vcpu.h"

namespace pyrene {
namespace {

template <typename T>
void Destroy(void* object) {
  auto* typed = static_cast<T*>(object);
  typed->payer().Delete(typed);
}

}  // namespace

void DetachObject(ObjectType type, void* object) {
  switch (type) {
    case ObjectType::kDomain:
      return static_cast<Domain*>(object)->Detach();
    case ObjectType::kThread:
      return static_cast<Thread*>(object)->Detach();
    case ObjectType::kVcpu:
      return static_cast<Vcpu*>(object)->Detach();
    case ObjectType::kPort:
      return static_cast<Port*>(object)->Detach();
    case ObjectType::kNotification:
      return static_cast<Notification*>(object)->Detach();
    case ObjectType::kIrq:
      return static_cast<Irq*>(object)->Detach();
    case ObjectType::kMemory:
    case ObjectType::kIrqControl:
    case ObjectType::kFirmware:
    case ObjectType::kNone:
      return;
  }
}

void DestroyObject(ObjectType type, void* object) {
  switch (type) {
    case ObjectType::kDomain:
      return Destroy<Domain>(object);
    case ObjectType::kThread:
      return Destroy<Thread>(object);
    case ObjectType::kVcpu:
      return Destroy<Vcpu>(object);
    case ObjectType::kMemory:
      return Destroy<MemoryObject>(object);
    case ObjectType::kNotification:
      return Destroy<Notification>(object);
    case ObjectType::kIrq:
      return Destroy<Irq>(object);
    case ObjectType::kPort:
      return Destroy<Port>(object);
    case ObjectType::kIrqControl:
    case ObjectType::kFirmware:
    case ObjectType::kNone:
      return;
  }
}

uint64_t IdOfObject(ObjectType type, void* object) {
  switch (type) {
    case ObjectType::kDomain:
      return static_cast<Domain*>(object)->id();
    case ObjectType::kThread:
      return static_cast<Thread*>(object)->id();
    case ObjectType::kVcpu:
      return static_cast<Vcpu*>(object)->id();
    case ObjectType::kMemory:
      return static_cast<MemoryObject*>(object)->id();
    case ObjectType::kNotification:
      return static_cast<Notification*>(object)->id();
    case ObjectType::kIrq:
      return static_cast<Irq*>(object)->id();
    case ObjectType::kPort:
      return static_cast<Port*>(object)->id();
    case ObjectType::kIrqControl:
    case ObjectType::kFirmware:
    case ObjectType::kNone:
      return 0;
  }
  return 0;
}

}  // namespace pyrene
