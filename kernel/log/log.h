// SPDX-License-Identifier: Apache-2.0
//
// The kernel's log: a ring that init reads (KernelLog), and until the console service has taken
// over, the UART.
#pragma once

#include <cstdarg>
#include <cstdint>

#include "kernel/abi/boot_info.h"

namespace pyrene {

// One line, with a time stamp; printf's %s %c %d %u %x %p with l, width and 0. Any CPU.
void Log(const char* format, ...) __attribute__((format(printf, 1, 2)));
void LogV(const char* format, va_list arguments);
// Text as it is.
void LogRaw(const char* text);

// From here on lines go to the ring only: init has the UART.
void StopLoggingToUart();
// A panic takes it back.
void ResumeLoggingToUart();

extern KernelLog kernel_log;

}  // namespace pyrene
