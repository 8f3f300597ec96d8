// SPDX-License-Identifier: Apache-2.0
#include "kernel/log/format.h"

#include <cstdint>

namespace pyrene {
namespace {

class Output {
 public:
  Output(char* buffer, size_t bytes) : next_(buffer), end_(buffer + bytes - 1) {}
  void Put(char c) {
    if (next_ < end_) *next_++ = c;
  }
  char* next() const { return next_; }

 private:
  char* next_;
  char* end_;
};

void PutNumber(Output& out, uint64_t value, unsigned base, unsigned width, char pad,
               bool negative) {
  char digits[24];
  unsigned count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  if (negative) digits[count++] = '-';
  for (; width > count; --width) out.Put(pad);
  while (count != 0) out.Put(digits[--count]);
}

}  // namespace

size_t Format(char* buffer, size_t bytes, const char* format, va_list arguments) {
  Output out(buffer, bytes);
  for (; *format != '\0'; ++format) {
    if (*format != '%') {
      out.Put(*format);
      continue;
    }
    ++format;
    char pad = ' ';
    unsigned width = 0;
    bool is_long = false;
    if (*format == '0') pad = '0';
    for (; *format >= '0' && *format <= '9'; ++format)
      width = width * 10 + static_cast<unsigned>(*format - '0');
    for (; *format == 'l'; ++format) is_long = true;
    switch (*format) {
      case 's': {
        const char* text = va_arg(arguments, const char*);
        while (*text != '\0') out.Put(*text++);
        break;
      }
      case 'c':
        out.Put(static_cast<char>(va_arg(arguments, int)));
        break;
      case 'd': {
        const int64_t value = is_long ? va_arg(arguments, int64_t) : va_arg(arguments, int);
        const bool negative = value < 0;
        PutNumber(out, negative ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value), 10,
                  width, pad, negative);
        break;
      }
      case 'u':
      case 'x': {
        const uint64_t value = is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
        PutNumber(out, value, *format == 'x' ? 16 : 10, width, pad, false);
        break;
      }
      case 'p':
        PutNumber(out, reinterpret_cast<uint64_t>(va_arg(arguments, void*)), 16, 16, '0', false);
        break;
      default:
        out.Put(*format);
        break;
    }
  }
  *out.next() = '\0';
  return static_cast<size_t>(out.next() - buffer);
}

size_t FormatTo(char* buffer, size_t bytes, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const size_t length = Format(buffer, bytes, format, arguments);
  va_end(arguments);
  return length;
}

}  // namespace pyrene
