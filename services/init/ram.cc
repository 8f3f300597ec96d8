// SPDX-License-Identifier: Apache-2.0
#include "services/init/ram.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/kernel/syscall.h"

namespace pyrene::init {
namespace {

constexpr uint64_t kPageBytes = runtime::kPageBytes;

}  // namespace

Ram& Ram::operator=(Ram&& other) noexcept {
  if (this != &other) {
    Reset();
    pool_ = std::exchange(other.pool_, nullptr);
    object_ = std::move(other.object_);
    range_ = std::exchange(other.range_, {});
  }
  return *this;
}

void Ram::Reset() {
  if (pool_ == nullptr) return;
  object_.Reset();  // unmapped everywhere before anybody else can have it
  pool_->free_.Free(range_);
  pool_ = nullptr;
  range_ = {};
}

// A piece each per capability that init can hold, and the sources.
RamPool::RamPool(const BootInfo& boot) : free_(kMaxCaps + BootInfo::kMaxMemories) {
  for (uint32_t i = 0; i < boot.memories && i < BootInfo::kMaxMemories; ++i) {
    const BootMemory& memory = boot.memory[i];
    if (memory.type != static_cast<uint32_t>(MemoryType::kRam)) continue;
    const uint64_t first = memory.base / kPageBytes;
    free_.Add({first, memory.pages, static_cast<uint32_t>(sources_.size())});
    sources_.push_back({memory.cap, first});
  }
}

absl::StatusOr<Ram> RamPool::Derive(PageRange range, Rights rights, std::string name) {
  const Source& source = sources_[range.source];
  absl::StatusOr<Object> object = Object::Create(std::move(name), [&](CapIndex index) {
    return sys::MemoryDerive(index, source.cap, range.first - source.first, range.pages,
                             rights | rights::kCopy);
  });
  if (!object.ok()) {
    free_.Free(range);
    return object.status();
  }
  Ram ram;
  ram.pool_ = this;
  ram.object_ = *std::move(object);
  ram.range_ = range;
  return ram;
}

absl::StatusOr<Ram> RamPool::Allocate(uint64_t pages, Rights rights, const std::string& name,
                                      uint64_t alignment_bytes, uint64_t limit) {
  const uint64_t limit_page = limit == FreePages::kAnywhere ? limit : limit / kPageBytes;
  const std::optional<PageRange> range =
      free_.Allocate(pages, alignment_bytes / kPageBytes, limit_page);
  if (!range.has_value()) {
    return absl::ResourceExhaustedError(absl::StrCat("not enough memory for ", name, ": ",
                                                     pages * 4, " KiB wanted, ",
                                                     free_.free_pages() * 4, " KiB free"));
  }
  absl::StatusOr<Ram> ram = Derive(*range, rights | rights::kRead | rights::kWrite, name);
  if (!ram.ok()) return ram;
  const absl::StatusOr<runtime::Memory> view = ram->Map();
  if (!view.ok()) return view.status();
  ZeroPages(view->data(), view->size());
  return ram;
}

absl::StatusOr<std::vector<Ram>> RamPool::AllocateGuest(uint64_t pages, const std::string& name) {
  const absl::StatusOr<std::vector<PageRange>> ranges = free_.AllocateGuest(pages);
  if (!ranges.ok()) return ranges.status();
  std::vector<Ram> pieces;
  for (size_t i = 0; i < ranges->size(); ++i) {
    constexpr Rights kAccess = rights::kRead | rights::kWrite | rights::kExecute;
    absl::StatusOr<Ram> piece = Derive((*ranges)[i], kAccess, absl::StrCat(name, " ram.", i));
    if (!piece.ok()) {
      for (size_t rest = i + 1; rest < ranges->size(); ++rest) free_.Free((*ranges)[rest]);
      return piece.status();
    }
    pieces.push_back(*std::move(piece));
  }
  return pieces;
}

uint64_t QuotaForRam(absl::Span<const Ram> pieces) {
  uint64_t pages = 0;
  bool odd = false;
  for (const Ram& piece : pieces) {
    odd = odd || !piece.block_aligned();
    pages += piece.pages() / (odd ? FreePages::kBlockPages : kRamPagesPerQuotaPage) + 2;
    odd = odd || piece.pages() % FreePages::kBlockPages != 0;
  }
  return pages;
}

}  // namespace pyrene::init
