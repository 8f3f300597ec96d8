// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/memory/account.h"
#include "kernel/memory/layout.h"
#include "kernel/memory/vmid.h"
#include "tests/unit/kernel_test_util.h"

namespace pyrene {
namespace {

using kernel_test::OwnAccount;

bool AllZero(const void* memory, size_t bytes) {
  const auto* p = static_cast<const unsigned char*>(memory);
  return std::all_of(p, p + bytes, [](unsigned char c) { return c == 0; });
}

TEST(KernelAccount, PagesAreZeroAlignedAndApart) {
  OwnAccount account(8);
  std::set<void*> pages;
  for (int i = 0; i < 8; ++i) {
    void* page = account->AllocatePage();
    ASSERT_NE(page, nullptr);
    EXPECT_EQ(reinterpret_cast<uint64_t>(page) % kPageBytes, 0u);
    EXPECT_TRUE(AllZero(page, kPageBytes));
    EXPECT_TRUE(pages.insert(page).second);
    memset(page, 0xee, kPageBytes);
  }
  EXPECT_EQ(account->AllocatePage(), nullptr);
  EXPECT_EQ(account->used(), 8u);
  account->FreePage(*pages.begin());
  void* again = account->AllocatePage();
  ASSERT_NE(again, nullptr);
  EXPECT_TRUE(AllZero(again, kPageBytes)) << "a page of before comes back zeroed";
}

TEST(KernelAccount, EverySizeIsServedZeroedAndInside) {
  OwnAccount account(64);
  for (size_t bytes = 1; bytes <= Account::kLargestObject; ++bytes) {
    void* object = account->AllocateBytes(bytes);
    ASSERT_NE(object, nullptr) << bytes;
    EXPECT_TRUE(AllZero(object, bytes));
    const auto address = reinterpret_cast<uint64_t>(object);
    EXPECT_EQ(address % 16, 0u);
    EXPECT_LE(address % kPageBytes + bytes, kPageBytes) << "within its page";
    memset(object, 0x5a, bytes);
    account->FreeBytes(object);
  }
  EXPECT_EQ(account->used(), 0u);
}

TEST(KernelAccount, ExhaustionIsAnErrorAndAllComesBack) {
  for (const size_t bytes :
       {size_t{1}, size_t{64}, size_t{65}, size_t{200}, size_t{576}, Account::kLargestObject}) {
    OwnAccount account(5);
    std::vector<void*> objects;
    while (void* object = account->AllocateBytes(bytes)) objects.push_back(object);
    EXPECT_GE(objects.size(), 5 * (kPageBytes / Account::kLargestObject));
    EXPECT_EQ(account->used(), 5u);
    EXPECT_EQ(account->AllocatePage(), nullptr);
    for (void* object : objects) account->FreeBytes(object);
    EXPECT_EQ(account->used(), 0u);
    for (int i = 0; i < 5; ++i) EXPECT_NE(account->AllocatePage(), nullptr);
  }
}

TEST(KernelAccount, QuotaGoesToAChildAndBack) {
  OwnAccount parent(10);
  Account child;
  EXPECT_EQ(child.TakeFrom(*parent, 11), Status::kNoMemory);
  EXPECT_EQ(child.quota(), 0u);
  ASSERT_EQ(child.TakeFrom(*parent, 6), Status::kOk);
  EXPECT_EQ(child.quota(), 6u);
  EXPECT_EQ(parent->quota(), 4u);
  for (int i = 0; i < 4; ++i) EXPECT_NE(parent->AllocatePage(), nullptr);
  EXPECT_EQ(parent->AllocatePage(), nullptr) << "what the child has is not ours";
  void* page = child.AllocatePage();
  ASSERT_NE(page, nullptr);
  child.FreePage(page);
  child.ReturnTo(*parent);
  EXPECT_EQ(child.quota(), 0u);
  EXPECT_EQ(child.AllocatePage(), nullptr);
  EXPECT_EQ(parent->quota(), 10u);
  EXPECT_EQ(parent->used(), 4u);
}

struct Counted {
  explicit Counted(int& count) : count_(count) { ++count_; }
  ~Counted() { --count_; }
  int& count_;
};

TEST(KernelAccount, NewAndDeleteConstructAndDestroy) {
  OwnAccount account(1);
  int count = 0;
  Counted* one = account->New<Counted>(count);
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(count, 1);
  account->Delete(one);
  EXPECT_EQ(count, 0);
  void* all = account->AllocatePage();
  EXPECT_EQ(account->New<Counted>(count), nullptr);
  EXPECT_EQ(count, 0);
  account->FreePage(all);
}

// Objects keep their bytes whatever is done around them, and the number of pages is what the live
// objects need.
TEST(KernelAccount, RandomAgainstModel) {
  std::mt19937_64 random(kernel_test::Seed());
  OwnAccount account(40);
  struct Object {
    size_t bytes;
    unsigned char pattern;
    bool page;
  };
  std::map<void*, Object> live;
  const auto check = [&](void* memory, const Object& object) {
    const auto* p = static_cast<unsigned char*>(memory);
    ASSERT_TRUE(
        std::all_of(p, p + object.bytes, [&](unsigned char c) { return c == object.pattern; }));
  };
  for (uint64_t round = 0; round < kernel_test::Rounds(20000); ++round) {
    if (live.empty() || random() % 100 < 53) {
      Object object = {1 + random() % Account::kLargestObject, static_cast<unsigned char>(random()),
                       random() % 8 == 0};
      if (object.page) object.bytes = kPageBytes;
      void* memory = object.page ? account->AllocatePage() : account->AllocateBytes(object.bytes);
      if (memory == nullptr) {
        ASSERT_EQ(account->used(), account->quota()) << "refused with pages left";
        // Make room.
        for (int i = 0; i < 20 && !live.empty(); ++i) {
          const auto victim = live.begin();
          check(victim->first, victim->second);
          victim->second.page ? account->FreePage(victim->first)
                              : account->FreeBytes(victim->first);
          live.erase(victim);
        }
        continue;
      }
      ASSERT_TRUE(AllZero(memory, object.bytes));
      memset(memory, object.pattern, object.bytes);
      ASSERT_TRUE(live.emplace(memory, object).second);
    } else {
      auto it = live.lower_bound(reinterpret_cast<void*>(live.begin()->first));
      std::advance(it, static_cast<long>(random() % live.size()));
      check(it->first, it->second);
      it->second.page ? account->FreePage(it->first) : account->FreeBytes(it->first);
      live.erase(it);
    }
    std::set<uint64_t> pages;
    for (const auto& [memory, object] : live)
      pages.insert(PageFloor(reinterpret_cast<uint64_t>(memory)));
    ASSERT_EQ(account->used(), pages.size()) << "a page without objects is free";
  }
  for (const auto& [memory, object] : live)
    object.page ? account->FreePage(memory) : account->FreeBytes(memory);
  EXPECT_EQ(account->used(), 0u);
}

TEST(KernelVmid, AllOnceAndAgain) {
  std::set<unsigned> taken;
  for (;;) {
    const unsigned vmid = AllocateVmid();
    if (vmid == 0) break;
    ASSERT_LT(vmid, kVmids);
    ASSERT_TRUE(taken.insert(vmid).second);
  }
  EXPECT_EQ(taken.size(), kVmids - 1);
  FreeVmid(77);
  FreeVmid(200);
  const unsigned a = AllocateVmid();
  const unsigned b = AllocateVmid();
  EXPECT_EQ((std::set<unsigned>{a, b}), (std::set<unsigned>{77, 200}));
  EXPECT_EQ(AllocateVmid(), 0u);
  for (const unsigned vmid : taken) FreeVmid(vmid);
}

}  // namespace
}  // namespace pyrene
