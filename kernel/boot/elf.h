// SPDX-License-Identifier: Apache-2.0
//
// Just enough of ELF to start a static AArch64 program (System V gABI, chapters 4 and 5).
#pragma once

#include <cstdint>

namespace pyrene {

struct ElfSegment {
  uint64_t offset, address, file_bytes, memory_bytes;
  bool write, execute;
};

struct ElfImage {
  static constexpr unsigned kMaxSegments = 8;
  uint64_t entry = 0;
  ElfSegment segment[kMaxSegments];
  unsigned segments = 0;
};

// nullptr, or what is wrong with the file. On success all segments lie inside the file.
[[nodiscard]] const char* ParseElf(const char* file, uint64_t bytes, ElfImage& image);

}  // namespace pyrene
