// SPDX-License-Identifier: Apache-2.0
//
// Text that is put together before it is written. What does not fit is cut off.
#pragma once

#include <cstdint>

namespace pyrene::guest {

template <uint64_t kBytes>
class Text {
 public:
  Text& operator<<(const char* text) {
    while (*text != '\0') Put(*text++);
    return *this;
  }
  Text& operator<<(uint64_t value) {
    char digits[20];
    unsigned count = 0;
    do {
      digits[count++] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    while (count != 0) Put(digits[--count]);
    return *this;
  }
  // The byte 0, as an end of a part of it.
  void End() { Put('\0'); }
  const char* data() const { return text_; }
  uint64_t size() const { return length_; }

 private:
  void Put(char c) {
    if (length_ < kBytes) text_[length_++] = c;
  }

  char text_[kBytes] = {};
  uint64_t length_ = 0;
};

}  // namespace pyrene::guest
