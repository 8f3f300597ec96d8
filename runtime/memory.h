// SPDX-License-Identifier: Apache-2.0
//
// Memory: a range of pages of another object mapped into this service, for as long as this object
// lives. The pages may be shared with a hostile peer or vanish: then they are touched by
// runtime/guarded.h only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/handle.h"

namespace pyrene::runtime {

inline constexpr size_t kPageBytes = 4096;

enum class Access : uint8_t { kRead, kReadWrite };

class Memory {
 public:
  Memory() = default;  // maps nothing
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&& other) noexcept;
  ~Memory() { Unmap(); }

  // Maps `pages` pages (all from first_page on, if 0) of the Memory that `handle` names. The handle
  // stays the caller's.
  static absl::StatusOr<Memory> Map(Handle handle, Access access, uint64_t first_page = 0,
                                    uint64_t pages = 0);

  // Of 4096 bytes each.
  static absl::StatusOr<uint64_t> PagesOf(Handle handle);

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  void Unmap();

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace pyrene::runtime
