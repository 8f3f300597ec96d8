// SPDX-License-Identifier: Apache-2.0
#include "platform/bcm2711/emmc2/sd_registers.h"

#include "absl/strings/str_cat.h"

namespace pyrene::emmc2 {
namespace {

// Bits last..first as the specification numbers them; the controller drops the lowest eight.
uint32_t Bits(const Response& r2, unsigned last, unsigned first) {
  uint32_t value = 0;
  for (unsigned bit = last + 1; bit-- > first;) {
    const unsigned at = bit - 8;
    value = value << 1 | (r2[at / 32] >> at % 32 & 1);
  }
  return value;
}

}  // namespace

absl::StatusOr<CardData> ParseCsd(const Response& csd) {
  CardData card;
  const uint32_t version = Bits(csd, 127, 126);
  if (version == 0) {  // SDSC, 5.3.2
    const uint32_t block_bits = Bits(csd, 83, 80);
    if (block_bits < 9 || block_bits > 11)
      return absl::InvalidArgumentError(absl::StrCat("READ_BL_LEN is ", block_bits));
    card.sectors = uint64_t{Bits(csd, 73, 62) + 1} << (Bits(csd, 49, 47) + 2 + block_bits - 9);
  } else if (version == 1) {  // SDHC, SDXC, 5.3.3
    card.sectors = uint64_t{Bits(csd, 69, 48) + 1} << 10;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("a CSD of structure ", version));
  }
  const uint32_t classes = Bits(csd, 95, 84);
  card.has_switch = (classes & 1 << 10) != 0;
  card.can_erase = (classes & 1 << 5) != 0 && Bits(csd, 46, 46) != 0;
  card.write_protected = Bits(csd, 13, 12) != 0;
  return card;
}

CardConfiguration ParseScr(absl::Span<const uint8_t> scr) {
  return {.four_bits = (scr[1] & 4) != 0, .set_block_count = (scr[3] & 2) != 0};
}

}  // namespace pyrene::emmc2
