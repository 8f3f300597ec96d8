// SPDX-License-Identifier: Apache-2.0
//
// Numbers as they lie on disks. `at` is within `data`: the caller's lengths are constants.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace pyrene::block {

template <typename Number>
constexpr Number LoadLittle(absl::Span<const uint8_t> data, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) value |= uint64_t{data[at + i]} << (8 * i);
  return static_cast<Number>(value);
}

constexpr uint16_t Load16(absl::Span<const uint8_t> data, size_t at) {
  return LoadLittle<uint16_t>(data, at);
}
constexpr uint32_t Load32(absl::Span<const uint8_t> data, size_t at) {
  return LoadLittle<uint32_t>(data, at);
}
constexpr uint64_t Load64(absl::Span<const uint8_t> data, size_t at) {
  return LoadLittle<uint64_t>(data, at);
}

}  // namespace pyrene::block
