// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <optional>
#include <random>

#include "gtest/gtest.h"
#include "kernel/arch/descriptor.h"
#include "kernel/arch/timer.h"
#include "kernel/memory/layout.h"
#include "kernel/memory/page_table.h"
#include "kernel/syscall/dispatch.h"
#include "tests/unit/kernel_test_util.h"

namespace pyrene {
namespace {

using kernel_test::OwnAccount;

constexpr uint64_t kContext = 0x1234000;
constexpr uint64_t kAttributes = arch::stage2_attributes::kNormal | arch::stage2_attributes::kRead;
constexpr uint64_t kGigabyte = uint64_t{1} << 30;

class KernelPageTable : public testing::Test {
 protected:
  KernelPageTable() {
    fake::PowerOn(1);
    fake::on_tlb = [this](const fake::TlbOperation& operation) { OnTlb(operation); };
  }
  ~KernelPageTable() override { fake::on_tlb = nullptr; }

  Status Map(uint64_t address, uint64_t physical, uint64_t pages) {
    return table_.Map(*account_, address, physical, pages, kAttributes);
  }
  void UnmapMatching(uint64_t address, uint64_t physical, uint64_t pages) {
    EXPECT_EQ(table_.Unmap(*account_, address, pages, nullptr, &physical), Status::kOk);
  }
  // The physical address that hardware would come to.
  std::optional<uint64_t> Translate(uint64_t address) const {
    const PageTable::Leaf leaf = table_.Lookup(address);
    if (leaf.entry == 0) return std::nullopt;
    const uint64_t bytes = uint64_t{1} << (12 + 9 * (3 - leaf.level));
    EXPECT_EQ(arch::descriptor::Address(leaf.entry) % bytes, 0u)
        << "a leaf's address is aligned to its size";
    EXPECT_EQ(leaf.entry & ~arch::descriptor::kAddressMask & ~uint64_t{3}, kAttributes);
    return arch::descriptor::Address(leaf.entry) + (address & (bytes - 1));
  }
  unsigned LevelAt(uint64_t address) const { return table_.Lookup(address).level; }
  // Tables below the root that are in use.
  size_t Tables() { return account_->used() - 1; }

  // Whoever invalidates has made the entries invalid before (break before make), or else removed
  // rights.
  virtual void OnTlb(const fake::TlbOperation& operation) {
    ++invalidations_;
    EXPECT_EQ(operation.context, kContext);
    if (operation.kind == fake::TlbOperation::Kind::kContext) {
      for (const uint64_t address : watched_) EXPECT_FALSE(Translate(address).has_value());
      return;
    }
    invalidated_pages_ += operation.pages;
    for (const uint64_t address : watched_) {
      if (address >= operation.address &&
          address - operation.address < operation.pages * kPageBytes)
        EXPECT_FALSE(Translate(address).has_value()) << std::hex << address;
    }
  }

  OwnAccount account_{400};
  PageTable table_{static_cast<uint64_t*>(account_->AllocatePage()), kContext};
  std::vector<uint64_t> watched_;
  unsigned invalidations_ = 0;
  uint64_t invalidated_pages_ = 0;
};

TEST_F(KernelPageTable, MapsWithTheLargestLeavesThatFit) {
  ASSERT_EQ(Map(kGigabyte, 4 * kGigabyte, kGigabyte / kPageBytes), Status::kOk);
  EXPECT_EQ(LevelAt(kGigabyte), 1u);
  EXPECT_EQ(Tables(), 0u);
  ASSERT_EQ(Map(4 * kBlockBytes, 8 * kBlockBytes, 512), Status::kOk);
  EXPECT_EQ(LevelAt(4 * kBlockBytes), 2u);
  EXPECT_EQ(Tables(), 1u);
  // Aligned in one space only.
  ASSERT_EQ(Map(8 * kBlockBytes, 8 * kBlockBytes + kPageBytes, 512), Status::kOk);
  EXPECT_EQ(LevelAt(8 * kBlockBytes), 3u);
  EXPECT_EQ(Tables(), 2u);
  EXPECT_EQ(Translate(8 * kBlockBytes + 0x1234), 8 * kBlockBytes + kPageBytes + 0x1234);
  EXPECT_EQ(invalidations_, 0u) << "nothing was there before";
}

TEST_F(KernelPageTable, EdgesOfTheAddressSpace) {
  const uint64_t top = PageTable::kAddressLimit - kPageBytes;
  ASSERT_EQ(Map(0, 0x5000, 1), Status::kOk);
  ASSERT_EQ(Map(top, 0x6000, 1), Status::kOk);
  EXPECT_EQ(Translate(0), 0x5000u);
  EXPECT_EQ(Translate(top + 5), 0x6005u);
  EXPECT_FALSE(Translate(PageTable::kAddressLimit).has_value());
  EXPECT_FALSE(Translate(~uint64_t{0}).has_value());
  EXPECT_EQ(table_.Unmap(*account_, 0, PageTable::kAddressLimit / kPageBytes), Status::kOk);
  EXPECT_FALSE(Translate(0).has_value());
  EXPECT_FALSE(Translate(top).has_value());
}

TEST_F(KernelPageTable, MapRefusesWhatIsMapped) {
  ASSERT_EQ(Map(kBlockBytes, kBlockBytes, 512), Status::kOk);
  for (const uint64_t address : {kBlockBytes - kPageBytes, kBlockBytes,
                                 kBlockBytes + 5 * kPageBytes, 2 * kBlockBytes - kPageBytes})
    EXPECT_EQ(Map(address, 0, 2), Status::kOccupied);
  EXPECT_EQ(Map(0, 0, 3 * 512), Status::kOccupied);
  EXPECT_FALSE(Translate(0).has_value());
  EXPECT_EQ(Map(2 * kBlockBytes, 0, 1), Status::kOk);
}

TEST_F(KernelPageTable, MapWithoutMemoryKeepsWhatIsDone) {
  OwnAccount poor(2);
  PageTable table(static_cast<uint64_t*>(poor->AllocatePage()), kContext);
  // Two tables are needed, one is left.
  EXPECT_EQ(table.Map(*poor, 0, 0, 1, kAttributes), Status::kNoMemory);
  EXPECT_EQ(table.Lookup(0).entry, 0u);
  // Blocks need one table only; the last page needs another.
  uint64_t done;
  EXPECT_EQ(table.Map(*poor, 0, 0, 3 * 512 + 1, kAttributes, &done), Status::kNoMemory);
  EXPECT_EQ(done, 3u * 512);
  for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(table.Lookup(i * kBlockBytes).entry != 0, i < 3);
}

TEST_F(KernelPageTable, LongOperationsStopAfterALeafWhenAnInterruptIsPending) {
  arch::SetHypervisorTimer(0);
  uint64_t done;
  EXPECT_EQ(table_.Map(*account_, 0, kBlockBytes, 5, kAttributes, &done), Status::kOk);
  EXPECT_EQ(done, 1u);
  EXPECT_EQ(Translate(0), kBlockBytes);
  EXPECT_FALSE(Translate(kPageBytes).has_value());
  // There are entries to look at by now, before anything is mapped.
  const uint64_t physical = kBlockBytes + kPageBytes;
  EXPECT_EQ(table_.Map(*account_, kPageBytes, physical, 4, kAttributes, &done), kRestart);
  EXPECT_EQ(done, 0u);
  EXPECT_FALSE(Translate(kPageBytes).has_value());
  ASSERT_EQ(Map(kPageBytes, physical, 4), Status::kOk) << "without `done` it does not stop";
  EXPECT_EQ(table_.Unmap(*account_, 0, 5, &done), Status::kOk);
  EXPECT_EQ(done, 1u);
  EXPECT_EQ(Translate(kPageBytes), physical);
  EXPECT_EQ(table_.Unmap(*account_, kPageBytes, 4, &done, &physical), Status::kOk);
  EXPECT_EQ(done, 1u);
  EXPECT_EQ(Translate(2 * kPageBytes), physical + kPageBytes);
}

TEST_F(KernelPageTable, SplitBreaksBeforeItMakes) {
  ASSERT_EQ(Map(kGigabyte, kGigabyte, kGigabyte / kPageBytes), Status::kOk);
  // The first invalidation is the level-1 block's, the second the level-2 block's, the third the
  // page's own; what is watched is invalid at each.
  const uint64_t hole = kGigabyte + 77 * kBlockBytes + 5 * kPageBytes;
  watched_ = {hole};
  ASSERT_EQ(table_.Unmap(*account_, hole, 1), Status::kOk);
  EXPECT_EQ(invalidations_, 3u);
  EXPECT_EQ(invalidated_pages_, kGigabyte / kPageBytes + 512 + 1);
  EXPECT_EQ(Tables(), 2u);
  EXPECT_FALSE(Translate(hole).has_value());
  for (const uint64_t around : {hole - 1, hole + kPageBytes, kGigabyte, 2 * kGigabyte - 1})
    EXPECT_EQ(Translate(around), around);
}

TEST_F(KernelPageTable, UnmapWithoutMemoryToSplitKeepsWhatIsThere) {
  OwnAccount poor(2);
  PageTable table(static_cast<uint64_t*>(poor->AllocatePage()), kContext);
  ASSERT_EQ(table.Map(*poor, 0, 0, 2 * 512, kAttributes), Status::kOk);
  EXPECT_EQ(table.Unmap(*poor, kPageBytes, 1), Status::kNoMemory);
  EXPECT_NE(table.Lookup(kPageBytes).entry, 0u);
  // What lies before the block that cannot be split goes.
  EXPECT_EQ(table.Unmap(*poor, 0, 513), Status::kNoMemory);
  EXPECT_EQ(table.Lookup(0).entry, 0u);
  EXPECT_NE(table.Lookup(kBlockBytes).entry, 0u);
}

TEST_F(KernelPageTable, UnmapOfNothingInvalidatesNothing) {
  ASSERT_EQ(table_.Unmap(*account_, 0, 1000), Status::kOk);
  UnmapMatching(0, 0, 1000);
  EXPECT_EQ(invalidations_, 0u);
}

TEST_F(KernelPageTable, UnmapMatchingLeavesWhatLeadsElsewhere) {
  ASSERT_EQ(Map(kBlockBytes, 16 * kBlockBytes, 2 * 512), Status::kOk);
  // Page 3 of the range leads to something else by now, page 4 to nothing.
  ASSERT_EQ(table_.Unmap(*account_, kBlockBytes + 3 * kPageBytes, 2), Status::kOk);
  ASSERT_EQ(Map(kBlockBytes + 3 * kPageBytes, 0x7000, 1), Status::kOk);
  const size_t tables = Tables();
  UnmapMatching(kBlockBytes, 16 * kBlockBytes, 2 * 512);
  for (uint64_t i = 0; i < 2 * 512; ++i)
    ASSERT_EQ(Translate(kBlockBytes + i * kPageBytes).has_value(), i == 3) << i;
  EXPECT_EQ(Tables(), tables);
}

TEST_F(KernelPageTable, ClearFreesAllTables) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 100; ++i) {
    const uint64_t address = random() % (PageTable::kAddressLimit / kPageBytes) * kPageBytes;
    const Status status = Map(address, random() % (1 << 20) * kPageBytes, 1);
    ASSERT_TRUE(status == Status::kOk || status == Status::kOccupied);
    watched_.push_back(address);
  }
  ASSERT_GT(Tables(), 100u);
  table_.Clear(*account_);
  EXPECT_EQ(Tables(), 0u);
  EXPECT_EQ(invalidations_, 1u) << "one for the whole context, before tables are freed";
  for (const uint64_t address : watched_) EXPECT_FALSE(Translate(address).has_value());
  EXPECT_EQ(Map(watched_[0], 0x1000, 1), Status::kOk) << "usable again";
}

// Random operations against a map of pages. Every address that loses its translation must be
// covered by an invalidation that came while it was invalid.
class KernelPageTableRandom : public KernelPageTable {
 protected:
  using Model = std::map<uint64_t, uint64_t>;  // page -> physical page

  void OnTlb(const fake::TlbOperation& operation) override {
    for (auto it = stale_.begin(); it != stale_.end();) {
      const bool covered = operation.kind == fake::TlbOperation::Kind::kContext ||
                           (*it * kPageBytes >= operation.address &&
                            *it * kPageBytes - operation.address < operation.pages * kPageBytes);
      it = covered && !Translate(*it * kPageBytes).has_value() ? stale_.erase(it) : std::next(it);
    }
  }
  std::set<uint64_t> stale_;  // pages whose translation a TLB may still have
};

TEST_F(KernelPageTableRandom, AgainstAMapOfPages) {
  std::mt19937_64 random(kernel_test::Seed());
  Model model;
  // A window of some GiB-straddling addresses, so that all levels and collisions occur.
  const uint64_t base_page = (kGigabyte - 2 * kBlockBytes) / kPageBytes;
  constexpr uint64_t kWindow = 4 * 512;
  for (uint64_t round = 0; round < kernel_test::Rounds(3000); ++round) {
    const bool aligned = random() % 2 == 0;
    const uint64_t page = base_page + (aligned ? random() % 4 * 512 : random() % kWindow);
    const uint64_t pages =
        aligned ? (1 + random() % 2) * 512 : 1 + random() % (random() % 4 == 0 ? 1024 : 8);
    const uint64_t target = aligned ? random() % 8 * 512 : random() % 4096;
    const auto count_mapped = [&] {
      uint64_t count = 0;
      for (uint64_t i = 0; i < pages; ++i) count += model.count(page + i);
      return count;
    };
    stale_.clear();
    const unsigned operation = random() % 100;
    if (operation < 50) {
      const Status status = Map(page * kPageBytes, target * kPageBytes, pages);
      ASSERT_EQ(status, count_mapped() != 0 ? Status::kOccupied : Status::kOk);
      if (status == Status::kOk)
        for (uint64_t i = 0; i < pages; ++i) model[page + i] = target + i;
    } else if (operation < 80) {
      for (uint64_t i = 0; i < pages; ++i)
        if (model.erase(page + i) != 0) stale_.insert(page + i);
      ASSERT_EQ(table_.Unmap(*account_, page * kPageBytes, pages), Status::kOk);
      ASSERT_TRUE(stale_.empty()) << "a TLB may still have page " << *stale_.begin();
    } else if (operation < 99) {
      // By a range that Map was given, as its contract says: whole leaves only.
      if (model.count(page) == 0) continue;
      uint64_t first = page;
      const auto follows = [&](uint64_t p) {
        return model.count(p) != 0 && model.count(p + 1) != 0 && model[p] + 1 == model[p + 1];
      };
      while (follows(first - 1)) --first;
      uint64_t end = page + 1;
      while (follows(end - 1)) ++end;
      const uint64_t physical = model[first];
      for (uint64_t p = first; p < end; ++p) {
        model.erase(p);
        stale_.insert(p);
      }
      UnmapMatching(first * kPageBytes, physical * kPageBytes, end - first);
      ASSERT_TRUE(stale_.empty());
    } else {
      for (const auto& [p, t] : model) stale_.insert(p);
      model.clear();
      table_.Clear(*account_);
      ASSERT_TRUE(stale_.empty());
      ASSERT_EQ(Tables(), 0u);
    }
    for (uint64_t p = base_page - 2; p < base_page + kWindow + 1024; ++p) {
      const auto found = Translate(p * kPageBytes);
      const auto expected = model.find(p);
      ASSERT_EQ(found.has_value(), expected != model.end()) << "page " << p << " round " << round;
      if (found.has_value())
        ASSERT_EQ(*found, expected->second * kPageBytes) << "page " << p << " round " << round;
    }
    // Tables of a window of this size: two below the root and one per 2 MiB.
    ASSERT_LE(Tables(), 2u + kWindow / 512 + 3);
  }
  table_.Clear(*account_);
  EXPECT_EQ(Tables(), 0u);
}

}  // namespace
}  // namespace pyrene
