// SPDX-License-Identifier: Apache-2.0
//
// A service's program: a static AArch64 ELF file as the tool chain makes it for us (System V gABI,
// chapters 4 and 5), with the rules that loading it in place needs.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace pyrene::init {

// Programs lie between the start page with the log ring, and the heap.
inline constexpr uint64_t kLowestProgramAddress = 0x100000;

struct ElfSegment {
  uint64_t offset;  // in the file; as `address` modulo the page size
  uint64_t address;
  uint64_t file_bytes;
  uint64_t memory_bytes;  // at least file_bytes; equal unless `write`
  bool write;
  bool execute;  // never with `write`

  uint64_t first_page() const { return address / 4096; }
  uint64_t pages() const { return (address + memory_bytes + 4095) / 4096 - first_page(); }
};

struct ElfImage {
  static constexpr size_t kMaxSegments = 8;
  uint64_t entry = 0;
  std::vector<ElfSegment> segments;  // by address; no page belongs to two

  // Of the segments that need RAM of their own.
  uint64_t WritablePages() const;
};

// InvalidArgument says what is wrong with the file: truncated, another machine's, out of range.
absl::StatusOr<ElfImage> ReadElf(absl::Span<const uint8_t> file);

}  // namespace pyrene::init
