// SPDX-License-Identifier: Apache-2.0
//
// Memory: a physical range, its type, and where it is mapped. Under the structure lock.
#pragma once

#include <cstdint>

#include "kernel/abi/syscall.h"
#include "kernel/lib/list.h"
#include "kernel/object/object.h"

namespace pyrene {

class Domain;
struct Slot;
class MemoryObject;

struct MemoryMappingsTag {};
struct DomainMappingsTag {};

// That leaves of [address, +pages) in the domain's table may lead to the pages of `memory` from
// `first_page` on. Some of them may have been unmapped, or mapped to something else, since.
struct Mapping : ListHook<MemoryMappingsTag>, ListHook<DomainMappingsTag> {
  MemoryObject* memory;
  Domain* domain;
  const Slot* capability;  // by which it was made; its deletion ends the mapping
  uint64_t address;
  uint64_t first_page;
  uint64_t pages;
};

class MemoryObject final : public Object {
 public:
  MemoryObject(Account& payer, uint64_t base, uint64_t pages, MemoryType type)
      : Object(payer), base_(base), pages_(pages), type_(type) {}
  ~MemoryObject() { UnmapEverywhere(); }
  void UnmapEverywhere();
  // What was mapped by this capability. False: an interrupt is pending, and there may be more.
  bool UnmapBy(const Slot& capability);

  uint64_t base() const { return base_; }
  uint64_t pages() const { return pages_; }
  MemoryType type() const { return type_; }

  List<Mapping, MemoryMappingsTag>& mappings() { return mappings_; }

 private:
  uint64_t base_;
  uint64_t pages_;
  MemoryType type_;
  List<Mapping, MemoryMappingsTag> mappings_;
};

}  // namespace pyrene
