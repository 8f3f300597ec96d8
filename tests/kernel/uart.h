// SPDX-License-Identifier: Apache-2.0
//
// The serial line of the test program: a PL011 driven by polling.
#pragma once

#include <cstdint>

namespace pyrene::kernel_test {

// Finds the machine's PL011 among the device frames that the kernel listed and maps it. False:
// there is none. What the program writes before is lost.
bool MapUart();

// Writes to it, without the library: from any thread.
void Print(const char* text);

// Its registers, and its interrupt line.
volatile uint32_t* UartRegisters();
uint32_t UartIntid();

}  // namespace pyrene::kernel_test
