// SPDX-License-Identifier: Apache-2.0
//
// The kernel's own view of the serial line: PL011 output by polling, at boot and in a panic. The
// console service drives it otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene::uart {

// Nothing is put out before.
void Init(uint64_t base);
void Write(const char* text, size_t length);

}  // namespace pyrene::uart
