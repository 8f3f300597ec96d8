// SPDX-License-Identifier: Apache-2.0
//
// Who this service is and what it was given. The answers do not change while it lives.
#pragma once

#include <string_view>

#include "kernel/abi/boot_info.h"
#include "runtime/start_info.h"

namespace pyrene::runtime {

const StartInfo& Service();

// Init's own start page; nullptr in every other service.
const BootInfo* Boot();

// The entry that init's manifest names so, or nullptr.
const NamedCapability* FindNamed(std::string_view name);

// Its capability, or kNullCap.
inline CapIndex FindCapability(std::string_view name) {
  const NamedCapability* const entry = FindNamed(name);
  return entry == nullptr ? kNullCap : entry->cap;
}

}  // namespace pyrene::runtime
