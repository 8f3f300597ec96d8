// SPDX-License-Identifier: Apache-2.0
//
// The part that all creating system calls share.
#pragma once

#include "kernel/cap/derivation.h"
#include "kernel/object/domain.h"
#include "kernel/syscall/dispatch.h"

namespace pyrene {

// Makes a T(payer, args...) paid by the caller and puts the capability that owns it at the index in
// x0, as a child of `parent` if there is one. Under the structure lock.
template <typename T, typename... Args>
Status CreateObject(Call& call, ObjectType type, Rights rights, Slot* parent, Args&&... args) {
  Account& payer = call.domain.account();
  Slot* slot;
  PYRENE_TRY(call.domain.caps().Reserve(payer, call.Argument(0), slot));
  T* object = payer.New<T>(payer, static_cast<Args&&>(args)...);
  if (object == nullptr) return Status::kNoMemory;
  Insert(*slot, parent, Slot::Pack(object, type, rights, true), 0);
  return Status::kOk;
}

}  // namespace pyrene
