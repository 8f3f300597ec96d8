// SPDX-License-Identifier: Apache-2.0
//
// kernel/memory/account.cc for tests under AddressSanitizer: every page and every object is memory
// of its own, so that any use after the free is seen. Each costs a page of the quota.
#include <cstdlib>
#include <cstring>

#include "kernel/memory/account.h"
#include "kernel/memory/layout.h"

namespace pyrene {

void Account::Donate(uint64_t, size_t pages) {
  free_ += pages;
  quota_ += pages;
}

Status Account::TakeFrom(Account& parent, size_t pages) {
  if (parent.free_ < pages) return Status::kNoMemory;
  parent.free_ -= pages;
  parent.quota_ -= pages;
  free_ += pages;
  quota_ += pages;
  return Status::kOk;
}

void Account::ReturnTo(Account& parent) {
  parent.free_ += free_;
  parent.quota_ += free_;
  free_ = quota_ = 0;
}

void* Account::AllocatePage() {
  if (free_ == 0) return nullptr;
  --free_;
  void* page = aligned_alloc(kPageBytes, kPageBytes);
  if (page != nullptr) memset(page, 0, kPageBytes);
  return page;
}

void Account::FreePage(void* page) {
  ++free_;
  free(page);
}

void* Account::AllocateBytes(size_t bytes) {
  if (free_ == 0) return nullptr;
  --free_;
  constexpr size_t kAlignment = 64;
  const size_t size = (bytes + kAlignment - 1) & ~(kAlignment - 1);
  void* object = aligned_alloc(kAlignment, size);
  if (object != nullptr) memset(object, 0, size);
  return object;
}

void Account::FreeBytes(void* object) {
  ++free_;
  free(object);
}

}  // namespace pyrene
