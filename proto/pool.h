// SPDX-License-Identifier: Apache-2.0
//
// The data pool of a channel: payload that messages refer to by {offset, length}. Such a reference
// comes from a hostile peer, and the bytes may change at any time: it is checked, and copied from
// or to, once, by guarded access.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace pyrene::proto {

struct PoolRange {
  uint32_t offset = 0;  // bytes from the pool's begin
  uint32_t length = 0;  // bytes
};

class Pool {
 public:
  Pool() = default;
  Pool(uint8_t* data, uint32_t bytes) : data_(data), bytes_(bytes) {}

  uint32_t bytes() const { return bytes_; }
  bool Contains(PoolRange range) const {
    return range.offset <= bytes_ && range.length <= bytes_ - range.offset;
  }

  // OutOfRange if the range is not in the pool or longer than `n`; Unavailable if the memory is
  // gone. Copies range.length bytes.
  absl::Status Read(PoolRange range, void* to, size_t n) const;
  // OutOfRange if the range is not in the pool or shorter than `n`. Copies `n` bytes.
  absl::Status Write(PoolRange range, const void* from, size_t n) const;

 private:
  uint8_t* data_ = nullptr;
  uint32_t bytes_ = 0;
};

}  // namespace pyrene::proto
