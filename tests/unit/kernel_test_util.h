// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's unit tests share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <ostream>

#include "kernel/abi/status.h"
#include "kernel/memory/account.h"
#include "tests/unit/fake_arch/machine.h"

namespace pyrene {

inline void PrintTo(Status status, std::ostream* out) {
  *out << "Status " << static_cast<int64_t>(status);
}

namespace kernel_test {

// Rounds of a randomised test, and the number of those done by earlier runs: its seed.
inline uint64_t Rounds(uint64_t standard) {
  const char* text = getenv("PYRENE_ROUNDS");
  return text != nullptr ? strtoull(text, nullptr, 10) : standard;
}
inline uint64_t Seed() {
  const char* text = getenv("PYRENE_FIRST");
  return text != nullptr ? strtoull(text, nullptr, 10) + 1 : 1;
}

// An account with pages of its own.
class OwnAccount {
 public:
  explicit OwnAccount(size_t pages) { account_.Donate(fake::AllocatePages(pages), pages); }
  Account& operator*() { return account_; }
  Account* operator->() { return &account_; }

 private:
  Account account_;
};

}  // namespace kernel_test
}  // namespace pyrene
