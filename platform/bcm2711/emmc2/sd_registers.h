// SPDX-License-Identifier: Apache-2.0
//
// What an SD card's registers say (SD Physical Layer Simplified Specification, chapter 5).
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "platform/bcm2711/emmc2/sdhci_host.h"

namespace pyrene::emmc2 {

struct CardData {                // CSD
  uint64_t sectors = 0;          // of 512 bytes
  bool has_switch = false;       // CMD6
  bool write_protected = false;  // by a bit of the card
  bool can_erase = false;        // single sectors
};
// InvalidArgument: a structure of a later specification.
absl::StatusOr<CardData> ParseCsd(const Response& csd);

struct CardConfiguration {  // SCR
  bool four_bits = false;
  bool set_block_count = false;  // CMD23
};
// `scr`: 8 bytes.
CardConfiguration ParseScr(absl::Span<const uint8_t> scr);

}  // namespace pyrene::emmc2
