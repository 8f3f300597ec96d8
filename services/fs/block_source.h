// SPDX-License-Identifier: Apache-2.0
//
// The disk as fs uses it: calls that wait, because libext2fs does.
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
  // Not before the Flush behind it is it on the medium; until then, writes may reach it in any
  // order.
  virtual absl::Status Write(uint64_t sector, absl::Span<const uint8_t> from) = 0;
  virtual absl::Status Flush() = 0;
  // The medium is write protected.
  virtual bool read_only() const = 0;
};

}  // namespace pyrene::fs
