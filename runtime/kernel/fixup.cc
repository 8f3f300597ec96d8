// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel/fixup.h"

// Made by the linker around the section; weak, for a program without guarded access.
extern "C" {
extern const pyrene::runtime::Fixup __start_pyrene_fixup[] __attribute__((weak));
extern const pyrene::runtime::Fixup __stop_pyrene_fixup[] __attribute__((weak));
}

namespace pyrene::runtime {

uint64_t FindFixup(uint64_t pc) {
  for (const Fixup* fixup = __start_pyrene_fixup; fixup != __stop_pyrene_fixup; ++fixup) {
    if (pc >= fixup->begin && pc < fixup->end) return fixup->target;
  }
  return 0;
}

}  // namespace pyrene::runtime
