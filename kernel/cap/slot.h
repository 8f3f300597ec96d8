// SPDX-License-Identifier: Apache-2.0
//
// A capability: 64 bytes in a domain's table, and a node of the derivation tree.
//
// Lookups read `word` without a lock, on any CPU. Deletion clears it, waits until every other CPU
// has left the kernel (Quiesce, sched/quiesce.h) and only then destroys the object and frees the
// slot; so what a lookup found stays valid until the CPU leaves the kernel. All else is written
// under the structure lock.
#pragma once

#include <cstdint>

#include "kernel/abi/capability.h"

namespace pyrene {

struct Slot {
  // 0 = free. Bits 47:0 object, 55:48 rights, 60:56 type, 63: this capability owns the object.
  uint64_t word;
  uint64_t badge;  // Port, Notification: what the receiver sees; 0 = none
  Slot* parent;    // derivation tree
  Slot* first_child;
  Slot* next_sibling;
  Slot* previous_sibling;
  uint64_t reserved[2];

  static constexpr uint64_t kObjectMask = (uint64_t{1} << 48) - 1;
  static constexpr uint64_t kOwner = uint64_t{1} << 63;

  static uint64_t Pack(void* object, ObjectType type, Rights rights, bool owner) {
    return reinterpret_cast<uint64_t>(object) | uint64_t{rights} << 48 |
           static_cast<uint64_t>(type) << 56 | (owner ? kOwner : 0);
  }
  static ObjectType TypeOf(uint64_t word) { return static_cast<ObjectType>(word >> 56 & 0x1f); }
  static Rights RightsOf(uint64_t word) { return static_cast<Rights>(word >> 48); }
  template <typename T>
  static T* ObjectOf(uint64_t word) {
    return reinterpret_cast<T*>(word & kObjectMask);
  }
  uint64_t Load() const { return __atomic_load_n(&word, __ATOMIC_ACQUIRE); }
  void Store(uint64_t value) { __atomic_store_n(&word, value, __ATOMIC_RELEASE); }
};
static_assert(sizeof(Slot) == 64);

}  // namespace pyrene
