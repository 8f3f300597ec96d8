// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/memory_object.h"

#include "kernel/arch/sysreg.h"
#include "kernel/object/domain.h"

namespace pyrene {

void MemoryObject::UnmapEverywhere() {
  while (Mapping* mapping = mappings_.front()) mapping->domain->Reduce(*mapping);
}

bool MemoryObject::UnmapBy(const Slot& capability) {
  for (Mapping* mapping = mappings_.front(); mapping != nullptr;) {
    Mapping* next = mappings_.Next(mapping);
    if (mapping->capability == &capability) {
      mapping->domain->Reduce(*mapping);
      if (arch::InterruptPending()) return false;
    }
    mapping = next;
  }
  return true;
}

}  // namespace pyrene
