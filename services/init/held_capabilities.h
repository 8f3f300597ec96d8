// SPDX-License-Identifier: Apache-2.0
//
// What a domain really holds, read from the kernel and compared with what init gave it: `ps -c`.
// On the target only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/abi/capability.h"
#include "services/init/service.h"

namespace pyrene::init {

struct HeldFacts {
  CapIndex index = kNullCap;
  ObjectType type = ObjectType::kNone;
  Rights rights = 0;
  uint64_t badge = 0;
  // "uart: device 0xfe201000" for what init gave by name; "offer console.1" for what it offered;
  // init's name for what came another way; empty for what the service made; "! NAME" where the
  // kernel holds something else than init gave. At most 40 bytes.
  std::string object;
};

// Of a service's present life; empty without one.
std::vector<HeldFacts> HeldBy(Service& service);
// Of init itself.
std::vector<HeldFacts> HeldByInit();

}  // namespace pyrene::init
