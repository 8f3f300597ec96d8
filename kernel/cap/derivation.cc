// SPDX-License-Identifier: Apache-2.0
#include "kernel/cap/derivation.h"

#include "kernel/arch/sysreg.h"
#include "kernel/object/destroy.h"
#include "kernel/object/domain.h"
#include "kernel/sched/quiesce.h"

namespace pyrene {

void Insert(Slot& slot, Slot* parent, uint64_t word, uint64_t badge) {
  slot.badge = badge;
  slot.parent = parent;
  slot.first_child = nullptr;
  slot.previous_sibling = nullptr;
  slot.next_sibling = nullptr;
  if (parent != nullptr) {
    slot.next_sibling = parent->first_child;
    if (slot.next_sibling != nullptr) slot.next_sibling->previous_sibling = &slot;
    parent->first_child = &slot;
  }
  slot.Store(word);
}

Status CopyCapability(Slot& source, Domain& target, uint64_t index, Rights rights, uint64_t badge) {
  const uint64_t word = source.word;
  const ObjectType type = Slot::TypeOf(word);
  if ((Slot::RightsOf(word) & rights::kCopy) == 0) return Status::kNoRight;
  if (target.dying()) return Status::kGone;
  const bool badgeable = type == ObjectType::kPort || type == ObjectType::kNotification;
  if (badge != 0 && (!badgeable || source.badge != 0)) return Status::kBadArgument;
  Slot* slot;
  if (Status s = target.caps().Reserve(target.account(), index, slot); s != Status::kOk) return s;
  Insert(*slot, &source,
         Slot::Pack(Slot::ObjectOf<void>(word), type,
                    static_cast<Rights>(Slot::RightsOf(word) & rights), false),
         badge != 0 ? badge : source.badge);
  return Status::kOk;
}

namespace {

void Remove(Slot& slot) {
  if (slot.next_sibling != nullptr) slot.next_sibling->previous_sibling = slot.previous_sibling;
  if (slot.previous_sibling != nullptr) {
    slot.previous_sibling->next_sibling = slot.next_sibling;
  } else if (slot.parent != nullptr) {
    slot.parent->first_child = slot.next_sibling;
  }
  slot.parent = slot.next_sibling = slot.previous_sibling = nullptr;
}

void DeleteLeaf(Slot& slot) {
  const uint64_t word = slot.word;
  if ((word & Slot::kOwner) != 0) {
    // Lookups fail from here on; the slot is not free before its object is.
    slot.Store(Slot::kOwner);
    DetachObject(Slot::TypeOf(word), Slot::ObjectOf<void>(word));
    Quiesce();
    DestroyObject(Slot::TypeOf(word), Slot::ObjectOf<void>(word));
  } else if (slot.badge != 0) {
    // A lookup on another CPU may have read the word and be about to read the badge.
    slot.Store(Slot::kOwner);
    Quiesce();
  }
  Remove(slot);
  slot.badge = 0;
  slot.Store(0);
}

// The slot that has to go before `slot` can: a child, or, for the owner of a domain, anything in
// that domain's table. Iteration instead of recursion: domains may have created domains to any
// depth.
Slot* Before(Slot& slot) {
  if (slot.first_child != nullptr) return slot.first_child;
  if ((slot.word & Slot::kOwner) == 0 || Slot::TypeOf(slot.word) != ObjectType::kDomain)
    return nullptr;
  auto* domain = Slot::ObjectOf<Domain>(slot.word);
  domain->StopForGood();
  return domain->caps().AnyUsed();
}

// What takes long and can be interrupted, before the slot goes. False: interrupted.
bool Empty(Slot& slot) {
  if (Slot::TypeOf(slot.word) != ObjectType::kMemory) return true;
  constexpr uint64_t kRights = uint64_t{0xff} << 48;
  slot.Store(slot.word & ~kRights);  // nobody maps by it any more, or derives from it
  return Slot::ObjectOf<MemoryObject>(slot.word)->UnmapBy(slot);
}

}  // namespace

bool DeleteTree(Slot& top, bool include_top) {
  for (;;) {
    Slot* leaf = &top;
    if (!include_top && top.first_child == nullptr) return true;
    if (!include_top) leaf = top.first_child;
    while (Slot* before = Before(*leaf)) leaf = before;
    if (!Empty(*leaf)) return false;
    const bool last = leaf == &top;
    DeleteLeaf(*leaf);
    if (last) return true;
    if (arch::InterruptPending()) return false;
  }
}

}  // namespace pyrene
