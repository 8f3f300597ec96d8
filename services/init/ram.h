// SPDX-License-Identifier: Apache-2.0
//
// The machine's RAM, all of which is init's: pieces are derived from the kernel's ranges, and come
// back when their owner object dies. Nothing that another domain wrote reaches the next: a piece
// is zeroed before anybody but init can see it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernel/abi/boot_info.h"
#include "runtime/memory.h"
#include "services/init/free_pages.h"
#include "services/init/object.h"

namespace pyrene::init {

class RamPool;

// A piece of RAM. Its end unmaps it everywhere, and gives its pages back.
class Ram {
 public:
  Ram() = default;
  Ram(Ram&& other) noexcept { *this = std::move(other); }
  Ram& operator=(Ram&& other) noexcept;
  ~Ram() { Reset(); }

  CapIndex cap() const { return object_.cap(); }
  uint64_t pages() const { return range_.pages; }
  // Whether it begins on a boundary of 2 MiB.
  bool block_aligned() const { return range_.first % FreePages::kBlockPages == 0; }
  explicit operator bool() const { return static_cast<bool>(object_); }
  void Reset();

  // Init's view of `pages` pages (0: all behind the first).
  absl::StatusOr<runtime::Memory> Map(uint64_t first_page = 0, uint64_t pages = 0) const {
    return runtime::Memory::Map(cap(), runtime::Access::kReadWrite, first_page, pages);
  }

 private:
  friend class RamPool;
  RamPool* pool_ = nullptr;
  Object object_;
  PageRange range_;
};

class RamPool {
 public:
  explicit RamPool(const BootInfo& boot);

  // A zeroed piece, which may be mapped with `rights`. `limit`: it ends below that physical
  // address. ResourceExhausted.
  absl::StatusOr<Ram> Allocate(uint64_t pages, Rights rights, const std::string& name,
                               uint64_t alignment_bytes = 4096,
                               uint64_t limit = FreePages::kAnywhere);

  // A guest's RAM in up to eight pieces, which are NOT zeroed: services/init/zeroer.h does that.
  absl::StatusOr<std::vector<Ram>> AllocateGuest(uint64_t pages, const std::string& name);

  const FreePages& free() const { return free_; }

 private:
  friend class Ram;
  absl::StatusOr<Ram> Derive(PageRange range, Rights rights, std::string name);

  struct Source {
    CapIndex cap;
    uint64_t first;  // page number
  };
  std::vector<Source> sources_;
  FreePages free_;
};

// Of a domain's quota, for RAM that it maps by blocks: a page for 16 MiB.
inline constexpr uint64_t kRamPagesPerQuotaPage = 4096;
// Of a domain's quota, for the page tables of pieces that it maps one behind the other: a piece
// that is no multiple of a block moves itself and all behind it off the blocks' boundaries.
uint64_t QuotaForRam(absl::Span<const Ram> pieces);

// Zeroes memory by cache lines (DC ZVA). `bytes` is a multiple of a page.
void ZeroPages(void* memory, size_t bytes);

}  // namespace pyrene::init
