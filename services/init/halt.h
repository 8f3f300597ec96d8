// SPDX-License-Identifier: Apache-2.0
//
// The end of the system when init can not go on.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace pyrene::init {

// Where Halt writes: the UART's registers (a PL011's), once mapped; nullptr: nowhere.
void SetHaltUart(volatile uint32_t* registers);

// What is done before, so that nobody else writes to the serial line.
void SetHaltHook(void (*stop_services)());

// Prints "PANIC: init: TEXT" and "system halted" by polling; no instruction of init's runs behind
// it. Allocates nothing.
[[noreturn]] void Halt(absl::string_view text);

}  // namespace pyrene::init
