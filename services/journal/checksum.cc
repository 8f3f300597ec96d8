// SPDX-License-Identifier: Apache-2.0
#include "services/journal/checksum.h"

#include <cstring>

#ifdef __ARM_FEATURE_CRC32
#include <arm_acle.h>
#endif

namespace pyrene::journal {
namespace {

#ifdef __ARM_FEATURE_CRC32
uint32_t Step(uint32_t crc, uint64_t word) { return __crc32cd(crc, word); }
#else
struct Table {
  constexpr Table() {
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
      entry[i] = crc;
    }
  }
  uint32_t entry[256] = {};
};

uint32_t Step(uint32_t crc, uint64_t word) {
  static constexpr Table kTable;
  for (int i = 0; i < 8; ++i, word >>= 8) crc = crc >> 8 ^ kTable.entry[(crc ^ word) & 0xff];
  return crc;
}
#endif

}  // namespace

uint32_t Checksum(uint32_t seed, const void* data, size_t bytes) {
  const auto* at = static_cast<const uint8_t*>(data);
  uint32_t crc = ~seed;
  for (; bytes >= 8; at += 8, bytes -= 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof(word));
    crc = Step(crc, word);
  }
  return ~crc;
}

}  // namespace pyrene::journal
