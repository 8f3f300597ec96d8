// SPDX-License-Identifier: Apache-2.0
//
// Which pages of RAM are free. Exact: what was given out and came back leaves the list as it was.
// Bounded: the list is as long as there are live pieces at most, and its room is reserved at once.
//
// Units are pages of 4 KiB, by physical page number. Pages of different sources (the ranges that
// the kernel handed over, each with a capability of its own) are never joined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pyrene::init {

struct PageRange {
  uint64_t first = 0;
  uint64_t pages = 0;
  uint32_t source = 0;

  uint64_t end() const { return first + pages; }
  friend bool operator==(const PageRange&, const PageRange&) = default;
};

class FreePages {
 public:
  static constexpr uint64_t kBlockPages = 512;  // 2 MiB: what one page-table entry can map
  static constexpr size_t kMaxGuestPieces = 8;  // proto/vmm.capnp, Start.ram
  static constexpr uint64_t kAnywhere = ~uint64_t{0};

  // Room for `max_extents` separate free pieces: live pieces and sources together.
  explicit FreePages(size_t max_extents);

  // Boot: gives a source its pages.
  void Add(PageRange range);

  // `pages` in one piece whose first page is a multiple of `alignment` (a power of two) and that
  // ends at or below page `limit`. From the end of the smallest free piece that fits, so that large
  // ones stay whole. nullopt: there is none.
  std::optional<PageRange> Allocate(uint64_t pages, uint64_t alignment = 1,
                                    uint64_t limit = kAnywhere);

  // `pages` in at most kMaxGuestPieces pieces: first those that start at a multiple of kBlockPages
  // and, but for the last, are multiples of it; odd rests behind them. Nothing is taken on failure.
  absl::StatusOr<std::vector<PageRange>> AllocateGuest(uint64_t pages);

  // What one of the above gave out, whole.
  void Free(PageRange range);

  uint64_t free_pages() const { return free_; }
  // The most that AllocateGuest can give now.
  uint64_t LargestGuest() const;
  const std::vector<PageRange>& extents() const { return extents_; }

 private:
  void Take(PageRange range);
  std::optional<PageRange> BlockPiece(uint64_t wanted) const;
  std::optional<PageRange> OddPiece(uint64_t wanted) const;

  std::vector<PageRange> extents_;  // by first page; neither overlapping nor, in a source, touching
  uint64_t free_ = 0;
};

}  // namespace pyrene::init
