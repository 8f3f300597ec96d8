// SPDX-License-Identifier: Apache-2.0
//
// memset and memcpy by names that say what they are for.
#pragma once

#include <cstddef>

// The host has declared them already where this is tested.
// NOLINTBEGIN(readability-redundant-declaration)
extern "C" {
void* memcpy(void* destination, const void* source, size_t count);
void* memset(void* destination, int value, size_t count);
int memcmp(const void* left, const void* right, size_t count);
size_t strlen(const char* text);
int strcmp(const char* left, const char* right);
}
// NOLINTEND(readability-redundant-declaration)

namespace pyrene {

inline void ZeroBytes(void* start, size_t bytes) { memset(start, 0, bytes); }
inline void CopyBytes(void* to, const void* from, size_t bytes) { memcpy(to, from, bytes); }

}  // namespace pyrene
