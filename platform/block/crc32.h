// SPDX-License-Identifier: Apache-2.0
//
// CRC-32 as IEEE 802.3 has it, which a GPT uses (UEFI 2.10, 5.3). By bits: for a few KiB.
#pragma once

#include <cstdint>

#include "absl/types/span.h"

namespace pyrene::block {

// `former`: of what came before.
constexpr uint32_t Crc32(absl::Span<const uint8_t> data, uint32_t former = 0) {
  uint32_t crc = ~former;
  for (const uint8_t byte : data) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
  }
  return ~crc;
}

}  // namespace pyrene::block
