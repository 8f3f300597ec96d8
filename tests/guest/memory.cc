// SPDX-License-Identifier: Apache-2.0
//
// What the compiler may call without being asked.
#include <cstddef>

extern "C" void* memset(void* destination, int value, size_t count) {
  auto* const to = static_cast<unsigned char*>(destination);
  for (size_t i = 0; i < count; ++i) to[i] = static_cast<unsigned char>(value);
  return destination;
}

extern "C" void* memcpy(void* destination, const void* source, size_t count) {
  auto* const to = static_cast<unsigned char*>(destination);
  const auto* const from = static_cast<const unsigned char*>(source);
  for (size_t i = 0; i < count; ++i) to[i] = from[i];
  return destination;
}
