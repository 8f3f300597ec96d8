// SPDX-License-Identifier: Apache-2.0
#include "runtime/service.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/string_view.h"
#include "runtime/host/objects.h"

namespace pyrene::runtime {
namespace {

StartInfo& Mutable() {
  static StartInfo info = [] {
    StartInfo fresh = {};
    fresh.magic = StartInfo::kMagic;
    std::memcpy(fresh.name, "host", 5);
    fresh.generation = 1;
    return fresh;
  }();
  return info;
}

template <size_t kBytes>
void Assign(char (&to)[kBytes], absl::string_view from) {
  const size_t n = std::min(from.size(), kBytes - 1);
  std::memcpy(to, from.data(), n);
  std::memset(to + n, 0, kBytes - n);
}

}  // namespace

const StartInfo& Service() { return Mutable(); }

const BootInfo* Boot() { return nullptr; }

namespace host {

void SetServiceName(absl::string_view name) { Assign(Mutable().name, name); }

void SetCapability(absl::string_view name, Handle handle, uint32_t value) {
  for (NamedCapability& entry : Mutable().capability) {
    if (entry.cap != kNoHandle && name != entry.name) continue;
    Assign(entry.name, name);
    entry.cap = handle;
    entry.value = value;
    return;
  }
}

}  // namespace host
}  // namespace pyrene::runtime
