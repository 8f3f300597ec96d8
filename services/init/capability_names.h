// SPDX-License-Identifier: Apache-2.0
//
// What `ps -c` says about each capability that a service holds: what the kernel shows is compared
// with what init gave.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kernel/abi/capability.h"

namespace pyrene::init {

// A capability that init put into the service's table at the start of its life, as the kernel must
// show it.
struct Given {
  std::string name;
  CapIndex index = kNullCap;
  ObjectType type = ObjectType::kNone;
  uint64_t object_id = 0;
  Rights rights = 0;
  uint64_t badge = 0;
};

// A capability as the kernel shows it, and its name.
struct Held {
  CapIndex index = kNullCap;
  ObjectType type = ObjectType::kNone;  // kNone: init gave it, and it is gone
  Rights rights = 0;
  uint64_t badge = 0;
  uint64_t object_id = 0;
  std::string object;
};

// The name of `held`, at most 40 bytes:
//   "uart: device 0xfe201000"   given by name; behind the colon init's name of the object
//   "offer pv.console.1"        offered at run time: `offered`, if not empty
//   "log of xl"                 init's object that came another way: `object_name`, if not empty
//   ""                          made by the service itself
//   "! uart"                    given, but the kernel holds something else there
std::string NameHeld(const Held& held, absl::Span<const Given> given, absl::string_view offered,
                     absl::string_view object_name);

// Those of `given` that `held` lacks, as entries "! uart is gone".
std::vector<Held> Missing(absl::Span<const Held> held, absl::Span<const Given> given);

}  // namespace pyrene::init
