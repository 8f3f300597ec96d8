// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory/account.h"

#include "kernel/lib/bytes.h"
#include "kernel/memory/layout.h"

namespace pyrene {

void Account::Donate(uint64_t first_page, size_t pages) {
  // Backwards, so that pages are handed out in ascending order.
  for (size_t i = pages; i-- > 0;) FreePage(KernelPointer<void>(first_page + i * kPageBytes));
  quota_ += pages;
}

Status Account::TakeFrom(Account& parent, size_t pages) {
  if (parent.free_ < pages) return Status::kNoMemory;
  for (size_t i = 0; i < pages; ++i) FreePage(parent.TakePage());
  parent.quota_ -= pages;
  quota_ += pages;
  return Status::kOk;
}

void Account::ReturnTo(Account& parent) {
  for (; free_pages_ != nullptr; ++parent.quota_) parent.FreePage(TakePage());
  quota_ = 0;
}

void* Account::TakePage() {
  FreePageLink* link = free_pages_;
  free_pages_ = link->next;
  --free_;
  return link;
}

void* Account::AllocatePage() {
  if (free_pages_ == nullptr) return nullptr;
  void* page = TakePage();
  ZeroBytes(page, kPageBytes);
  return page;
}

void Account::FreePage(void* page) {
  auto* link = static_cast<FreePageLink*>(page);
  link->next = free_pages_;
  free_pages_ = link;
  ++free_;
}

Account::Slab* Account::NewSlab(uint32_t size_class) {
  void* page = AllocatePage();
  if (page == nullptr) return nullptr;
  auto* slab = new (page) Slab;
  slab->size_class = size_class;
  slab->allocated = 0;
  slab->free_list = nullptr;
  const size_t bytes = kClassBytes[size_class];
  auto* first = static_cast<char*>(page) + kSlabHeadBytes;
  for (size_t i = (kPageBytes - kSlabHeadBytes) / bytes; i-- > 0;) {
    void* object = first + i * bytes;
    *static_cast<void**>(object) = slab->free_list;
    slab->free_list = object;
  }
  partial_[size_class].PushFront(slab);
  return slab;
}

void* Account::AllocateBytes(size_t bytes) {
  uint32_t size_class = 0;
  while (kClassBytes[size_class] < bytes) ++size_class;
  Slab* slab = partial_[size_class].front();
  if (slab == nullptr) slab = NewSlab(size_class);
  if (slab == nullptr) return nullptr;
  void* object = slab->free_list;
  slab->free_list = *static_cast<void**>(object);
  ++slab->allocated;
  if (slab->free_list == nullptr) List<Slab, SlabTag>::Remove(slab);
  ZeroBytes(object, kClassBytes[size_class]);
  return object;
}

void Account::FreeBytes(void* object) {
  auto* slab = KernelPointer<Slab>(PageFloor(PhysicalOf(object)));
  if (slab->free_list == nullptr) partial_[slab->size_class].PushFront(slab);
  *static_cast<void**>(object) = slab->free_list;
  slab->free_list = object;
  if (--slab->allocated == 0) {
    List<Slab, SlabTag>::Remove(slab);
    FreePage(slab);
  }
}

}  // namespace pyrene
