// SPDX-License-Identifier: Apache-2.0
#include "runtime/service.h"

#include <cstring>

namespace pyrene::runtime {

const NamedCapability* FindNamed(std::string_view name) {
  for (const NamedCapability& entry : Service().capability) {
    if (entry.cap == kNullCap) break;
    if (std::string_view(entry.name, strnlen(entry.name, sizeof(entry.name))) == name)
      return &entry;
  }
  return nullptr;
}

}  // namespace pyrene::runtime
