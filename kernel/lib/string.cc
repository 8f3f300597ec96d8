// SPDX-License-Identifier: Apache-2.0
//
// The C functions that the compiler and libfdt call. Byte loops except where the kernel copies
// whole pages: nothing here is on a hot path.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memcpy(void* destination, const void* source, size_t count) {
  auto* to = static_cast<unsigned char*>(destination);
  const auto* from = static_cast<const unsigned char*>(source);
  if (((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) & 7) == 0) {
    for (; count >= 8; count -= 8, to += 8, from += 8)
      *reinterpret_cast<uint64_t*>(to) = *reinterpret_cast<const uint64_t*>(from);
  }
  while (count-- != 0) *to++ = *from++;
  return destination;
}

void* memset(void* destination, int value, size_t count) {
  auto* to = static_cast<unsigned char*>(destination);
  const auto byte = static_cast<unsigned char>(value);
  if ((reinterpret_cast<uintptr_t>(to) & 7) == 0) {
    const uint64_t word = byte * 0x0101010101010101ull;
    for (; count >= 8; count -= 8, to += 8) *reinterpret_cast<uint64_t*>(to) = word;
  }
  while (count-- != 0) *to++ = byte;
  return destination;
}

void* memmove(void* destination, const void* source, size_t count) {
  auto* to = static_cast<unsigned char*>(destination);
  const auto* from = static_cast<const unsigned char*>(source);
  if (to <= from || to >= from + count) return memcpy(destination, source, count);
  while (count-- != 0) to[count] = from[count];
  return destination;
}

int memcmp(const void* left, const void* right, size_t count) {
  const auto* a = static_cast<const unsigned char*>(left);
  const auto* b = static_cast<const unsigned char*>(right);
  for (; count-- != 0; ++a, ++b) {
    if (*a != *b) return *a - *b;
  }
  return 0;
}

void* memchr(const void* memory, int value, size_t count) {
  const auto* p = static_cast<const unsigned char*>(memory);
  for (; count-- != 0; ++p) {
    if (*p == static_cast<unsigned char>(value)) return const_cast<unsigned char*>(p);
  }
  return nullptr;
}

size_t strlen(const char* text) {
  size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

size_t strnlen(const char* text, size_t limit) {
  size_t length = 0;
  while (length < limit && text[length] != '\0') ++length;
  return length;
}

int strcmp(const char* left, const char* right) {
  while (*left != '\0' && *left == *right) ++left, ++right;
  return static_cast<unsigned char>(*left) - static_cast<unsigned char>(*right);
}

char* strrchr(const char* text, int value) {
  const char* found = nullptr;
  do {
    if (*text == static_cast<char>(value)) found = text;
  } while (*text++ != '\0');
  return const_cast<char*>(found);
}

}  // extern "C"
