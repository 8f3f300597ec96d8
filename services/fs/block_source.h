// SPDX-License-Identifier: Apache-2.0
//
// The disk as fs reads it: calls that wait, because libext2fs does.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace pyrene::fs {

inline constexpr uint32_t kSectorBytes = 512;

class BlockSource {
 public:
  virtual ~BlockSource() = default;
  // `to.size()` bytes, a multiple of 512, from sector `sector` of 512 bytes on. Unavailable: the
  // disk is gone, or another one; any other error concerns these sectors.
  virtual absl::Status Read(uint64_t sector, absl::Span<uint8_t> to) = 0;
};

}  // namespace pyrene::fs
