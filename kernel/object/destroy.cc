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

// Calls `function` with the object as what it is; does nothing for types without an object of their
// own.
template <typename Function>
void Visit(ObjectType type, void* object, Function function) {
  if (type == ObjectType::kDomain) function(static_cast<Domain*>(object));
  if (type == ObjectType::kThread) function(static_cast<Thread*>(object));
  if (type == ObjectType::kVcpu) function(static_cast<Vcpu*>(object));
  if (type == ObjectType::kMemory) function(static_cast<MemoryObject*>(object));
  if (type == ObjectType::kPort) function(static_cast<Port*>(object));
  if (type == ObjectType::kNotification) function(static_cast<Notification*>(object));
  if (type == ObjectType::kIrq) function(static_cast<Irq*>(object));
}

}  // namespace

void DetachObject(ObjectType type, void* object) {
  Visit(type, object, [](auto* typed) {
    if constexpr (requires { typed->Detach(); }) typed->Detach();
  });
}

void DestroyObject(ObjectType type, void* object) {
  Visit(type, object, [](auto* typed) { typed->payer().Delete(typed); });
}

uint64_t IdOfObject(ObjectType type, void* object) {
  uint64_t id = 0;
  Visit(type, object, [&id](auto* typed) { id = typed->id(); });
  return id;
}

}  // namespace pyrene
