// SPDX-License-Identifier: Apache-2.0
//
// An input as numbers and bytes, for targets whose inputs are lists of steps.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pyrene::fuzz {

// Of an input, in order; zeros behind its end.
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t bytes) : at_(data), left_(bytes) {}
  bool empty() const { return left_ == 0; }
  uint8_t Byte() { return static_cast<uint8_t>(Number(1)); }
  uint32_t Number(size_t bytes) {
    uint32_t value = 0;
    Copy(&value, bytes);
    return value;
  }
  // The rest of `to` stays.
  void Copy(void* to, size_t bytes) {
    const size_t part = std::min(bytes, left_);
    std::memcpy(to, at_, part);
    at_ += part;
    left_ -= part;
  }

 private:
  const uint8_t* at_;
  size_t left_;
};

}  // namespace pyrene::fuzz
