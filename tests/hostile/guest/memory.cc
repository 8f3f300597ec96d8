// SPDX-License-Identifier: Apache-2.0
//
// What GCC calls in a freestanding program, too.
#include <cstddef>

extern "C" void* memcpy(void* to, const void* from, size_t bytes) {
  auto* out = static_cast<unsigned char*>(to);
  const auto* in = static_cast<const unsigned char*>(from);
  while (bytes-- != 0) *out++ = *in++;
  return to;
}

extern "C" void* memset(void* to, int value, size_t bytes) {
  auto* out = static_cast<unsigned char*>(to);
  while (bytes-- != 0) *out++ = static_cast<unsigned char>(value);
  return to;
}
