// SPDX-License-Identifier: Apache-2.0
//
// The test program's own file in the boot bundle: other domains run functions of it.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernel/abi/capability.h"
#include "kernel/abi/status.h"

namespace pyrene::kernel_test {

// Maps the bundle; before anything else of this header. False: it is not as expected.
bool OpenProgram();

// The bundle's file `cmdline`.
std::string_view CommandLine();

// Maps the program's read-only segments into `domain` at their own addresses. Functions of this
// program run there as long as they touch nothing but their arguments and their stack: no globals,
// no thread-local storage, no library.
Status MapProgram(CapIndex domain);

}  // namespace pyrene::kernel_test
