// SPDX-License-Identifier: Apache-2.0
#include "proto/pool.h"

#include "absl/strings/str_cat.h"
#include "runtime/guarded.h"

namespace pyrene::proto {
namespace {

absl::Status OutOfPool(PoolRange range, size_t n, uint32_t bytes) {
  return absl::OutOfRangeError(absl::StrCat("pool range ", range.offset, "+", range.length, " for ",
                                            n, " bytes, of a pool of ", bytes));
}

}  // namespace

absl::Status Pool::Read(PoolRange range, void* to, size_t n) const {
  if (!Contains(range) || range.length > n) return OutOfPool(range, n, bytes_);
  return runtime::GuardedCopy(to, data_ + range.offset, range.length) ? absl::OkStatus()
                                                                      : runtime::MemoryGone();
}

absl::Status Pool::Write(PoolRange range, const void* from, size_t n) const {
  if (!Contains(range) || n > range.length) return OutOfPool(range, n, bytes_);
  return runtime::GuardedCopy(data_ + range.offset, from, n) ? absl::OkStatus()
                                                             : runtime::MemoryGone();
}

}  // namespace pyrene::proto
