// SPDX-License-Identifier: Apache-2.0
//
// Which addresses of the window (kWindowAddress upwards) are free for mappings. First fit; every
// range is followed by an unmapped page, so that an overrun faults. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

namespace pyrene::runtime {

class AddressWindow {
 public:
  // [begin, end), multiples of a page.
  AddressWindow(uint64_t begin, uint64_t end);

  // Address of `pages` free pages, aligned to `align` bytes (a power of two, at least a page); 0 if
  // there are none.
  uint64_t Allocate(uint64_t pages, uint64_t align = 4096);

  // What Allocate answered, with the same `pages`.
  void Free(uint64_t address, uint64_t pages);

 private:
  std::mutex mutex_;
  std::map<uint64_t, uint64_t> free_;  // begin -> end, neither touching nor overlapping
};

// This service's: 2 MiB aligned for ranges of that size, so that the kernel can use blocks.
AddressWindow& Window();

}  // namespace pyrene::runtime
