// SPDX-License-Identifier: Apache-2.0
//
// The kernel memory that one domain may use: its quota in pages, handed over by its creator and
// given back when it dies. Page tables, capability tables and objects that the domain creates come
// out of it, so that no domain can use up another's.
//
// Small objects share pages by size class; a page without objects returns to the account's free
// list. All operations are made under the structure lock. Memory comes zeroed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel/abi/status.h"
#include "kernel/lib/list.h"

namespace pyrene {

class Account final {
 public:
  Account() = default;
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  // Boot: adds pages from the kernel's pool.
  void Donate(uint64_t first_page, size_t pages);
  // Takes `pages` free pages of `parent`; kNoMemory when it has fewer.
  Status TakeFrom(Account& parent, size_t pages);
  // Gives everything back. Requires that nothing is allocated.
  void ReturnTo(Account& parent);

  [[nodiscard]] void* AllocatePage();
  void FreePage(void* page);

  // `bytes` <= kLargestObject. nullptr when the quota is used up.
  [[nodiscard]] void* AllocateBytes(size_t bytes);
  void FreeBytes(void* object);

  template <typename T, typename... Args>
  [[nodiscard]] T* New(Args&&... args);
  template <typename T>
  void Delete(T* object);

  size_t quota() const { return quota_; }
  size_t used() const { return quota_ - free_; }

  static constexpr size_t kLargestObject = 1344;

 private:
  struct SlabTag {};
  struct Slab : ListHook<SlabTag> {
    uint32_t size_class;
    uint32_t allocated;
    void* free_list;
  };
  // 1344 = three objects behind a page's 64-byte head: a Thread or a Vcpu with its FP registers.
  static constexpr size_t kClassBytes[] = {64, 128, 256, 576, kLargestObject};
  static constexpr size_t kClasses = sizeof(kClassBytes) / sizeof(kClassBytes[0]);
  static constexpr size_t kSlabHeadBytes = 64;
  static_assert(sizeof(Slab) <= kSlabHeadBytes);

  Slab* NewSlab(uint32_t size_class);

  struct FreePageLink {
    FreePageLink* next;
  };
  void* TakePage();  // not zeroed; there is one

  FreePageLink* free_pages_ = nullptr;
  size_t free_ = 0;
  size_t quota_ = 0;
  List<Slab, SlabTag> partial_[kClasses];  // slabs with at least one free object
};

}  // namespace pyrene

#include "kernel/lib/placement_new.h"

namespace pyrene {

template <typename T, typename... Args>
T* Account::New(Args&&... args) {
  static_assert(sizeof(T) <= kLargestObject);
  void* memory = AllocateBytes(sizeof(T));
  return memory == nullptr ? nullptr : new (memory) T(static_cast<Args&&>(args)...);
}

template <typename T>
void Account::Delete(T* object) {
  object->~T();
  FreeBytes(object);
}

}  // namespace pyrene
