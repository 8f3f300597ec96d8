// SPDX-License-Identifier: Apache-2.0
//
// Where the guest's text goes: its PV console, or, where the hypervisor gives it none, the
// hypervisor's own console by CONSOLEIO_write.
#pragma once

#include <cstdint>

namespace pyrene::guest::bench {

// Returns when the back-end has taken everything.
void WriteConsole(const char* text, uint64_t length);

}  // namespace pyrene::guest::bench
