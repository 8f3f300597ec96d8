// SPDX-License-Identifier: Apache-2.0
//
// Sectors of a disk in a row.
#pragma once

#include <cstdint>

namespace pyrene::block {

struct Extent {
  uint64_t sector = 0;  // first, of 512 bytes
  uint64_t sectors = 0;
};

}  // namespace pyrene::block
