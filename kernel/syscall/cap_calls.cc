// SPDX-License-Identifier: Apache-2.0
#include "kernel/cap/derivation.h"
#include "kernel/object/destroy.h"
#include "kernel/object/domain.h"
#include "kernel/object/thread.h"
#include "kernel/sched/structure_lock.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene {
namespace {

// The domain that argument `index` names; kNullCap is the caller's own.
Status TargetDomain(Call& call, uint64_t index, Domain*& domain) {
  domain = &call.domain;
  if (index == kNullCap) return Status::kOk;
  return Find(call, index, ObjectType::kDomain, rights::kControl, domain);
}

bool Badgeable(ObjectType type) {
  return type == ObjectType::kPort || type == ObjectType::kNotification;
}

Status DeleteOrRevoke(Call& call, bool include_top) {
  StructureLock lock;
  if (!lock.held()) return kRestart;
  auto* slot = const_cast<Slot*>(call.domain.caps().Find(call.Argument(0)));
  if (slot == nullptr || slot->word == 0) return Status::kBadCap;
  return DeleteTree(*slot, include_top) ? Status::kOk : kRestart;
}

}  // namespace

Status CapCopy(Call& call) {
  StructureLock lock;
  if (!lock.held()) return kRestart;
  Domain* target;
  if (Status s = TargetDomain(call, call.Argument(0), target); s != Status::kOk) return s;
  auto* source = const_cast<Slot*>(call.domain.caps().Find(call.Argument(2)));
  if (source == nullptr || Slot::TypeOf(source->word) == ObjectType::kNone) return Status::kBadCap;
  const uint64_t word = source->word;
  if ((Slot::RightsOf(word) & rights::kCopy) == 0) return Status::kNoRight;
  if (target->dying()) return Status::kGone;
  const uint64_t badge = call.Argument(4);
  if (badge != 0 && (!Badgeable(Slot::TypeOf(word)) || source->badge != 0))
    return Status::kBadArgument;
  Slot* slot;
  if (Status s = target->caps().Reserve(target->account(), call.Argument(1), slot);
      s != Status::kOk)
    return s;
  const auto rights = static_cast<Rights>(Slot::RightsOf(word) & call.Argument(3));
  Insert(*slot, source, Slot::Pack(Slot::ObjectOf<void>(word), Slot::TypeOf(word), rights, false),
         badge != 0 ? badge : source->badge);
  return Status::kOk;
}

Status CapDelete(Call& call) { return DeleteOrRevoke(call, true); }

Status CapRevoke(Call& call) { return DeleteOrRevoke(call, false); }

Status CapInspect(Call& call) {
  StructureLock lock;
  if (!lock.held()) return kRestart;
  Domain* target;
  if (Status s = TargetDomain(call, call.Argument(0), target); s != Status::kOk) return s;
  const Slot* slot = target->caps().Find(call.Argument(1));
  if (slot == nullptr || Slot::TypeOf(slot->word) == ObjectType::kNone) return Status::kBadCap;
  const uint64_t word = slot->word;
  call.Result(1, static_cast<uint64_t>(Slot::TypeOf(word)));
  call.Result(2, Slot::RightsOf(word));
  call.Result(3, slot->badge);
  call.Result(4, IdOfObject(Slot::TypeOf(word), Slot::ObjectOf<void>(word)));
  return Status::kOk;
}

}  // namespace pyrene
