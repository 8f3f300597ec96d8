// SPDX-License-Identifier: Apache-2.0
//
// What the guest says: a line "BENCH name value" for each row (value in nanoseconds per operation,
// two decimals; under -icount shift=0 that is instructions), then "BENCH end", or "BENCH failed:
// reason". All of it at the end, so that nobody who takes the text runs while something is
// measured.
#pragma once

#include <cstdint>

namespace pyrene::guest::bench {

// Operations per row.
inline constexpr uint64_t kRounds = 10000;

// `ticks` of the counter for `operations` operations.
void Report(const char* name, uint64_t ticks, uint64_t operations = kRounds);
[[noreturn]] void Finish();
// The guest ends as crashed.
[[noreturn]] void Fail(const char* reason, uint64_t value = 0);

}  // namespace pyrene::guest::bench
