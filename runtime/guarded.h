// SPDX-License-Identifier: Apache-2.0
//
// Guarded access: memory of another domain (granted pages, channels, a guest's RAM seen by a
// back-end) can vanish at any instant, and its content can change between any two reads. All access
// to it goes through these functions; a fault becomes an error, not a stopped thread. They say
// nothing about the content: copy once, check the copy, use the copy.
//
// Words must be aligned to their size; an unaligned one fails like a missing page. Loads have
// acquire and stores release order, which is what the indices of a ring need. A copy has no order;
// it moves no byte twice and, on failure, may have moved any part. Any thread, not the upcall.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace pyrene::runtime {

[[nodiscard]] bool GuardedCopy(void* to, const void* from, size_t n);

[[nodiscard]] bool GuardedLoad(const uint8_t* from, uint8_t& value);
[[nodiscard]] bool GuardedLoad(const uint16_t* from, uint16_t& value);
[[nodiscard]] bool GuardedLoad(const uint32_t* from, uint32_t& value);
[[nodiscard]] bool GuardedLoad(const uint64_t* from, uint64_t& value);

[[nodiscard]] bool GuardedStore(uint8_t* to, uint8_t value);
[[nodiscard]] bool GuardedStore(uint16_t* to, uint16_t value);
[[nodiscard]] bool GuardedStore(uint32_t* to, uint32_t value);
[[nodiscard]] bool GuardedStore(uint64_t* to, uint64_t value);

// Stores `desired` if `*to` is `expected`, atomically and sequentially consistent; `expected` gets
// what was there.
[[nodiscard]] bool GuardedCompareExchange(uint32_t* to, uint32_t& expected, uint32_t desired);

// Every access before it is seen by every other CPU before any access after it.
void FullBarrier();

// What a caller reports when one of these fails.
absl::Status MemoryGone();

}  // namespace pyrene::runtime
