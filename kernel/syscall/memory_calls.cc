// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/layout.h"
#include "kernel/object/domain.h"
#include "kernel/object/memory_object.h"
#include "kernel/object/thread.h"
#include "kernel/syscall/create.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene::syscalls {

Status MemoryDerive(Call& call) {
  PYRENE_LOCK_STRUCTURE();
  MemoryObject* source;
  PYRENE_TRY(Find(call, call.Argument(1), ObjectType::kMemory, rights::kCopy, source));
  const uint64_t first = call.Argument(2);
  const uint64_t pages = call.Argument(3);
  if (pages == 0 || first >= source->pages() || pages > source->pages() - first)
    return Status::kBadArgument;
  auto* parent = const_cast<Slot*>(call.domain.caps().Find(call.Argument(1)));
  const auto rights = static_cast<Rights>(Slot::RightsOf(parent->word) & call.Argument(4));
  return CreateObject<MemoryObject>(call, ObjectType::kMemory, rights, parent,
                                    source->base() + first * kPageBytes, pages, source->type());
}

Status MemoryInfo(Call& call) {
  uint64_t word;
  PYRENE_TRY(LookUp(call.domain, call.Argument(0), ObjectType::kMemory, 0, word));
  const auto* memory = Slot::ObjectOf<MemoryObject>(word);
  const Rights rights = Slot::RightsOf(word);
  call.Result(1, memory->pages());
  call.Result(2, rights);
  call.Result(3, static_cast<uint64_t>(memory->type()));
  call.Result(4, (rights & rights::kDma) != 0 ? memory->base() : 0);
  return Status::kOk;
}

}  // namespace pyrene::syscalls
