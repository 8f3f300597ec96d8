// SPDX-License-Identifier: Apache-2.0
#include "kernel/object/memory_object.h"

#include "kernel/object/domain.h"

namespace pyrene {

void MemoryObject::UnmapEverywhere() {
  while (Mapping* mapping = mappings_.front()) mapping->domain->RemoveMapping(*mapping);
}

}  // namespace pyrene
