// SPDX-License-Identifier: Apache-2.0
#include "services/init/free_pages.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pyrene::init {
namespace {

constexpr uint64_t AlignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

// The part of `range` that begins at a multiple of a block.
PageRange Aligned(const PageRange& range) {
  const uint64_t first = AlignUp(range.first, FreePages::kBlockPages);
  return {first, first < range.end() ? range.end() - first : 0, range.source};
}

bool ByFirst(const PageRange& left, const PageRange& right) { return left.first < right.first; }

}  // namespace

FreePages::FreePages(size_t max_extents) { extents_.reserve(max_extents); }

void FreePages::Add(PageRange range) {
  if (range.pages != 0) Free(range);
}

std::optional<PageRange> FreePages::Allocate(uint64_t pages, uint64_t alignment, uint64_t limit) {
  std::optional<PageRange> best;
  uint64_t best_size = 0;
  for (const PageRange& extent : extents_) {
    const uint64_t end = std::min(extent.end(), limit);
    if (pages == 0 || end < extent.first || pages > end - extent.first) continue;
    const uint64_t first = (end - pages) & ~(alignment - 1);
    if (first < extent.first || (best.has_value() && extent.pages >= best_size)) continue;
    best = PageRange{first, pages, extent.source};
    best_size = extent.pages;
  }
  if (best.has_value()) Take(*best);
  return best;
}

// The smallest aligned piece that holds all of `wanted`, else whole blocks of the largest.
std::optional<PageRange> FreePages::BlockPiece(uint64_t wanted) const {
  std::optional<PageRange> fits;
  std::optional<PageRange> largest;
  for (const PageRange& extent : extents_) {
    const PageRange piece = Aligned(extent);
    if (piece.pages >= wanted && (!fits.has_value() || piece.pages < fits->pages)) fits = piece;
    if (piece.pages >= kBlockPages && (!largest.has_value() || piece.pages > largest->pages)) {
      largest = piece;
    }
  }
  if (fits.has_value()) {
    fits->pages = wanted;
    return fits;
  }
  if (largest.has_value()) largest->pages &= ~(kBlockPages - 1);
  return largest;
}

// From the end of the largest piece of any shape.
std::optional<PageRange> FreePages::OddPiece(uint64_t wanted) const {
  std::optional<PageRange> largest;
  for (const PageRange& extent : extents_) {
    if (!largest.has_value() || extent.pages > largest->pages) largest = extent;
  }
  if (largest.has_value() && largest->pages > wanted) {
    largest->first = largest->end() - wanted;
    largest->pages = wanted;
  }
  return largest;
}

absl::StatusOr<std::vector<PageRange>> FreePages::AllocateGuest(uint64_t pages) {
  if (pages > free_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("not enough memory: ", pages * 4, " KiB wanted, ", free_ * 4, " KiB free"));
  }
  std::vector<PageRange> pieces;
  uint64_t left = pages;
  while (left != 0 && pieces.size() < kMaxGuestPieces) {
    std::optional<PageRange> piece = BlockPiece(left);
    if (!piece.has_value()) piece = OddPiece(left);
    if (!piece.has_value()) break;
    Take(*piece);
    pieces.push_back(*piece);
    left -= piece->pages;
  }
  if (left == 0) return pieces;
  const uint64_t largest = pages - left;
  for (const PageRange& piece : pieces) Free(piece);
  return absl::ResourceExhaustedError(absl::StrCat(
      "not enough memory: ", pages * 4, " KiB wanted, but free memory is so scattered ", "that ",
      kMaxGuestPieces, " pieces hold ", largest * 4, " KiB"));
}

uint64_t FreePages::LargestGuest() const {
  // Tried on a copy: pieces depend on one another.
  FreePages copy(extents_.size() + 2 * kMaxGuestPieces);
  for (const PageRange& extent : extents_) copy.Add(extent);
  uint64_t sum = 0;
  for (size_t i = 0; i < kMaxGuestPieces; ++i) {
    std::optional<PageRange> piece = copy.BlockPiece(kAnywhere);
    if (!piece.has_value()) piece = copy.OddPiece(kAnywhere);
    if (!piece.has_value()) break;
    copy.Take(*piece);
    sum += piece->pages;
  }
  return sum;
}

void FreePages::Take(PageRange range) {
  const auto extent = std::prev(std::upper_bound(extents_.begin(), extents_.end(), range, ByFirst));
  free_ -= range.pages;
  const uint64_t end = extent->end();
  extent->pages = range.first - extent->first;
  const PageRange rest{range.end(), end - range.end(), range.source};
  if (extent->pages == 0) {
    if (rest.pages != 0) {
      *extent = rest;
    } else {
      extents_.erase(extent);
    }
  } else if (rest.pages != 0) {
    extents_.insert(std::next(extent), rest);
  }
}

void FreePages::Free(PageRange range) {
  free_ += range.pages;
  auto next = std::upper_bound(extents_.begin(), extents_.end(), range, ByFirst);
  if (next != extents_.end() && next->first == range.end() && next->source == range.source) {
    range.pages += next->pages;
    next = extents_.erase(next);
  }
  if (next != extents_.begin()) {
    const auto before = std::prev(next);
    if (before->end() == range.first && before->source == range.source) {
      before->pages += range.pages;
      return;
    }
  }
  extents_.insert(next, range);
}

}  // namespace pyrene::init
