// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdarg>
#include <cstddef>

namespace pyrene {

// snprintf's subset that the kernel needs: %s %c %d %u %x %p %%, modifier l, width, leading 0.
// Always terminates; returns the length written.
size_t Format(char* buffer, size_t bytes, const char* format, va_list arguments);
size_t FormatTo(char* buffer, size_t bytes, const char* format, ...);

}  // namespace pyrene
