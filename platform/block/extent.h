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

// Whether it has sectors, all of them on a disk of so many.
constexpr bool LiesOn(const Extent& extent, uint64_t disk_sectors) {
  return extent.sectors != 0 && extent.sector <= disk_sectors &&
         extent.sectors <= disk_sectors - extent.sector;
}

}  // namespace pyrene::block
