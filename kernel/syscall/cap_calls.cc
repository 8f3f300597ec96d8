// SPDX-License-Identifier: Apache-2.0
#include "kernel/cap/derivation.h"
#include "kernel/object/destroy.h"
#include "kernel/object/domain.h"
#include "kernel/object/thread.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene::syscalls {
namespace {

// The domain that argument `index` names; kNullCap is the caller's own.
Status TargetDomain(Call& call, uint64_t index, Domain*& domain) {
  domain = &call.domain;
  if (index == kNullCap) return Status::kOk;
  return Find(call, index, ObjectType::kDomain, rights::kControl, domain);
}

Status DeleteOrRevoke(Call& call, bool include_top) {
  PYRENE_LOCK_STRUCTURE();
  auto* slot = const_cast<Slot*>(call.domain.caps().Find(call.Argument(0)));
  if (slot == nullptr || slot->word == 0) return Status::kBadCap;
  return DeleteTree(*slot, include_top) ? Status::kOk : kRestart;
}

}  // namespace

Status CapCopy(Call& call) {
  PYRENE_LOCK_STRUCTURE();
  Domain* target;
  PYRENE_TRY(TargetDomain(call, call.Argument(0), target));
  auto* source = const_cast<Slot*>(call.domain.caps().Find(call.Argument(2)));
  if (source == nullptr || Slot::TypeOf(source->word) == ObjectType::kNone) return Status::kBadCap;
  return CopyCapability(*source, *target, call.Argument(1), static_cast<Rights>(call.Argument(3)),
                        call.Argument(4));
}

Status CapDelete(Call& call) { return DeleteOrRevoke(call, true); }

Status CapRevoke(Call& call) { return DeleteOrRevoke(call, false); }

Status CapInspect(Call& call) {
  PYRENE_LOCK_STRUCTURE();
  Domain* target;
  PYRENE_TRY(TargetDomain(call, call.Argument(0), target));
  const Slot* slot = target->caps().Find(call.Argument(1));
  if (slot == nullptr || Slot::TypeOf(slot->word) == ObjectType::kNone) return Status::kBadCap;
  const uint64_t word = slot->word;
  call.Result(1, static_cast<uint64_t>(Slot::TypeOf(word)));
  call.Result(2, Slot::RightsOf(word));
  call.Result(3, slot->badge);
  call.Result(4, IdOfObject(Slot::TypeOf(word), Slot::ObjectOf<void>(word)));
  return Status::kOk;
}

}  // namespace pyrene::syscalls
