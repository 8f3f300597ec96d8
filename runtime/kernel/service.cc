// SPDX-License-Identifier: Apache-2.0
#include "runtime/service.h"

#include "runtime/kernel/service_state.h"

namespace pyrene::runtime {

namespace {

// What init, which has a BootInfo, and a service on Linux see.
constexpr StartInfo NamedOnly(const char* name) {
  StartInfo info = {};
  info.magic = StartInfo::kMagic;
  info.generation = 1;
  for (int i = 0; name[i] != '\0'; ++i) info.name[i] = name[i];
  return info;
}
constexpr StartInfo kInit = NamedOnly("init");
constexpr StartInfo kLinux = NamedOnly("linux");

}  // namespace

const StartInfo& Service() {
  if (!started_by_pyrene) return kLinux;
  const auto* page = reinterpret_cast<const StartInfo*>(kStartInfoAddress);
  return page->magic == StartInfo::kMagic ? *page : kInit;
}

const BootInfo* Boot() {
  if (!started_by_pyrene) return nullptr;
  const auto* page = reinterpret_cast<const BootInfo*>(kStartInfoAddress);
  return page->magic == BootInfo::kMagic ? page : nullptr;
}

}  // namespace pyrene::runtime
