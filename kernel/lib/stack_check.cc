// SPDX-License-Identifier: Apache-2.0
//
// Debian's libfdt is built with the stack protector; these are the symbols it wants. It runs only
// at boot, on input that the boot loader could have replaced along with the kernel.
#include <cstdint>

#include "kernel/log/panic.h"

extern "C" {

[[gnu::visibility("default")]] uint64_t __stack_chk_guard = 0x9e3779b97f4a7c15;

[[noreturn]] void __stack_chk_fail() {
  pyrene::Panic("stack smashed while reading the device tree");
}

}  // extern "C"
