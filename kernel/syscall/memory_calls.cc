// SPDX-License-Identifier: Apache-2.0
#include "kernel/cap/derivation.h"
#include "kernel/memory/layout.h"
#include "kernel/object/domain.h"
#include "kernel/object/memory_object.h"
#include "kernel/object/thread.h"
#include "kernel/sched/structure_lock.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene {

Status MemoryDerive(Call& call) {
  StructureLock lock;
  if (!lock.held()) return kRestart;
  MemoryObject* source;
  if (Status s = Find(call, call.Argument(1), ObjectType::kMemory, rights::kCopy, source);
      s != Status::kOk)
    return s;
  const uint64_t first = call.Argument(2);
  const uint64_t pages = call.Argument(3);
  if (pages == 0 || first >= source->pages() || pages > source->pages() - first)
    return Status::kBadArgument;
  Slot* slot;
  if (Status s = call.domain.caps().Reserve(call.domain.account(), call.Argument(0), slot);
      s != Status::kOk)
    return s;
  auto* memory = call.domain.account().New<MemoryObject>(
      call.domain.account(), source->base() + first * kPageBytes, pages, source->type());
  if (memory == nullptr) return Status::kNoMemory;
  auto* parent = const_cast<Slot*>(call.domain.caps().Find(call.Argument(1)));
  const auto rights = static_cast<Rights>(Slot::RightsOf(parent->word) & call.Argument(4));
  Insert(*slot, parent, Slot::Pack(memory, ObjectType::kMemory, rights, true), 0);
  return Status::kOk;
}

Status MemoryInfo(Call& call) {
  uint64_t word;
  if (Status s = LookUp(call.domain, call.Argument(0), ObjectType::kMemory, 0, word);
      s != Status::kOk)
    return s;
  const auto* memory = Slot::ObjectOf<MemoryObject>(word);
  const Rights rights = Slot::RightsOf(word);
  call.Result(1, memory->pages());
  call.Result(2, rights);
  call.Result(3, static_cast<uint64_t>(memory->type()));
  call.Result(4, (rights & rights::kDma) != 0 ? memory->base() : 0);
  return Status::kOk;
}

}  // namespace pyrene
