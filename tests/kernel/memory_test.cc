// SPDX-License-Identifier: Apache-2.0
//
// Memory: derive and info; mapping, unmapping, reset, and what the mapped rights allow.
#include <cstring>

#include "runtime/guarded.h"
#include "tests/kernel/child.h"
#include "tests/kernel/fixture.h"

namespace pyrene::kernel_test {
namespace {

using runtime::GuardedLoad;
using runtime::GuardedStore;

constexpr uint64_t kAddressLimit = uint64_t{1} << 39;

class MemoryTest : public KernelTest {
 protected:
  Status MapHere(CapIndex memory, uint64_t first, uint64_t address, uint64_t pages,
                 Rights rights = kReadWrite) {
    return sys::DomainMap(kSelfDomainCap, memory, first, address, pages, rights);
  }
  static bool Readable(uint64_t address) {
    uint64_t value;
    return GuardedLoad(reinterpret_cast<const uint64_t*>(address), value);
  }
  static bool Readable(const uint8_t* address) {
    return Readable(reinterpret_cast<uint64_t>(address));
  }
  static bool Writable(uint64_t address) {
    return GuardedStore(reinterpret_cast<uint64_t*>(address), uint64_t{1});
  }
};

TEST_F(MemoryTest, InfoTellsPagesRightsTypeAndAddress) {
  const CapIndex memory = Ram(3);
  const auto facts = sys::MemoryInfo(memory);
  ASSERT_EQ(facts.status, Status::kOk);
  EXPECT_EQ(facts.pages, 3u);
  EXPECT_EQ(facts.rights, rights::kAll);
  EXPECT_EQ(facts.type, MemoryType::kRam);
  EXPECT_NE(facts.address, 0u);
  EXPECT_EQ(facts.address % kPage, 0u);
  EXPECT_EQ(sys::MemoryInfo(Boot().gicv).type, MemoryType::kDevice);
}

TEST_F(MemoryTest, AddressIsToldToHoldersOfTheDmaRightOnly) {
  const CapIndex memory = Ram(1);
  const CapIndex blind = Slot();
  ASSERT_EQ(sys::MemoryDerive(blind, memory, 0, 1, rights::kAll & ~rights::kDma), Status::kOk);
  const auto facts = sys::MemoryInfo(blind);
  EXPECT_EQ(facts.status, Status::kOk);
  EXPECT_EQ(facts.address, 0u);
}

TEST_F(MemoryTest, InfoErrors) {
  EXPECT_EQ(sys::MemoryInfo(Slot()).status, Status::kBadCap);
  EXPECT_EQ(sys::MemoryInfo(NewNotification()).status, Status::kBadType);
}

TEST_F(MemoryTest, DeriveMakesAPartWithFewerRights) {
  const CapIndex memory = Ram(8);
  const CapIndex part = Slot();
  ASSERT_EQ(sys::MemoryDerive(part, memory, 3, 2, rights::kRead | rights::kDma | rights::kCopy),
            Status::kOk);
  const auto facts = sys::MemoryInfo(part);
  EXPECT_EQ(facts.pages, 2u);
  EXPECT_EQ(facts.rights, rights::kRead | rights::kDma | rights::kCopy);
  EXPECT_EQ(facts.address, sys::MemoryInfo(memory).address + 3 * kPage);
  const CapIndex nested = Slot();
  ASSERT_EQ(sys::MemoryDerive(nested, part, 1, 1, rights::kAll), Status::kOk);
  EXPECT_EQ(sys::MemoryInfo(nested).rights, rights::kRead | rights::kDma | rights::kCopy);
  EXPECT_EQ(sys::MemoryInfo(nested).address, sys::MemoryInfo(memory).address + 4 * kPage);
}

TEST_F(MemoryTest, DeriveErrors) {
  const CapIndex memory = Ram(8);
  EXPECT_EQ(sys::MemoryDerive(Slot(), memory, 0, 0, rights::kAll), Status::kBadArgument);
  EXPECT_EQ(sys::MemoryDerive(Slot(), memory, 0, 9, rights::kAll), Status::kBadArgument);
  EXPECT_EQ(sys::MemoryDerive(Slot(), memory, 8, 1, rights::kAll), Status::kBadArgument);
  EXPECT_EQ(sys::MemoryDerive(Slot(), memory, 7, 2, rights::kAll), Status::kBadArgument);
  EXPECT_EQ(sys::MemoryDerive(Slot(), memory, 1, ~uint64_t{0}, rights::kAll), Status::kBadArgument);
  EXPECT_EQ(sys::MemoryDerive(Slot(), memory, ~uint64_t{0}, 1, rights::kAll), Status::kBadArgument);
  EXPECT_EQ(sys::MemoryDerive(memory, memory, 0, 1, rights::kAll), Status::kOccupied);
  EXPECT_EQ(sys::MemoryDerive(Slot(), Slot(), 0, 1, rights::kAll), Status::kBadCap);
  EXPECT_EQ(sys::MemoryDerive(Slot(), kSelfDomainCap, 0, 1, rights::kAll), Status::kBadType);
  const CapIndex final = Slot();
  ASSERT_EQ(sys::MemoryDerive(final, memory, 0, 1, kReadWrite), Status::kOk);
  EXPECT_EQ(sys::MemoryDerive(Slot(), final, 0, 1, rights::kAll), Status::kNoRight);
}

TEST_F(MemoryTest, MappedMemoryIsTheSameEverywhere) {
  const CapIndex memory = Ram(2);
  uint8_t* const one = Map(memory, 2);
  uint8_t* const two = Map(memory, 2, rights::kRead);
  memset(one, 0x5a, 2 * kPage);
  EXPECT_EQ(two[0], 0x5a);
  EXPECT_EQ(two[2 * kPage - 1], 0x5a);
  one[kPage] = 1;
  EXPECT_EQ(two[kPage], 1);
}

TEST_F(MemoryTest, RightsOfTheMappingHold) {
  const CapIndex memory = Ram(1);
  const uint64_t address = FreeAddress(1);
  EXPECT_FALSE(Readable(address));
  ASSERT_EQ(MapHere(memory, 0, address, 1, rights::kRead), Status::kOk);
  EXPECT_TRUE(Readable(address));
  EXPECT_FALSE(Writable(address));
  ASSERT_EQ(sys::DomainUnmap(kSelfDomainCap, address, 1), Status::kOk);
  EXPECT_FALSE(Readable(address));
  ASSERT_EQ(MapHere(memory, 0, address, 1, kReadWrite), Status::kOk);
  EXPECT_TRUE(Writable(address));
}

TEST_F(MemoryTest, MapNeedsTheRightsItAsksFor) {
  const CapIndex memory = Ram(1);
  const CapIndex reader = Slot();
  ASSERT_EQ(sys::MemoryDerive(reader, memory, 0, 1, rights::kRead), Status::kOk);
  EXPECT_EQ(MapHere(reader, 0, FreeAddress(1), 1, kReadWrite), Status::kNoRight);
  EXPECT_EQ(MapHere(reader, 0, FreeAddress(1), 1, rights::kRead | rights::kExecute),
            Status::kNoRight);
  EXPECT_EQ(MapHere(reader, 0, FreeAddress(1), 1, rights::kRead), Status::kOk);
  EXPECT_EQ(MapHere(memory, 0, FreeAddress(1), 1, rights::kWrite), Status::kBadArgument)
      << "stage 2 has no write-only";
  EXPECT_EQ(MapHere(memory, 0, FreeAddress(1), 1, 0), Status::kBadArgument);
}

TEST_F(MemoryTest, MapErrors) {
  const CapIndex memory = Ram(4);
  const uint64_t address = FreeAddress(8);
  const uint64_t before = UsedPages();
  EXPECT_EQ(MapHere(memory, 0, address + 8, 1), Status::kBadArgument);
  EXPECT_EQ(MapHere(memory, 0, address, 0), Status::kBadArgument);
  EXPECT_EQ(MapHere(memory, 0, address, 5), Status::kBadArgument);
  EXPECT_EQ(MapHere(memory, 4, address, 1), Status::kBadArgument);
  EXPECT_EQ(MapHere(memory, 3, address, 2), Status::kBadArgument);
  EXPECT_EQ(MapHere(memory, ~uint64_t{0}, address, 2), Status::kBadArgument);
  EXPECT_EQ(MapHere(memory, 0, address, ~uint64_t{0}), Status::kBadArgument);
  EXPECT_EQ(MapHere(memory, 0, kAddressLimit, 1), Status::kBadArgument);
  EXPECT_EQ(MapHere(memory, 0, kAddressLimit - kPage, 2), Status::kBadArgument);
  EXPECT_EQ(MapHere(memory, 0, ~uint64_t{0} & ~(kPage - 1), 1), Status::kBadArgument);
  EXPECT_EQ(MapHere(Slot(), 0, address, 1), Status::kBadCap);
  EXPECT_EQ(MapHere(kSelfThreadCap, 0, address, 1), Status::kBadType);
  EXPECT_EQ(UsedPages(), before);
  ASSERT_EQ(MapHere(memory, 0, address + 2 * kPage, 2), Status::kOk);
  EXPECT_EQ(MapHere(memory, 0, address + 3 * kPage, 1), Status::kOccupied);
  EXPECT_EQ(MapHere(memory, 0, address + kPage, 2), Status::kOccupied);
  EXPECT_EQ(MapHere(memory, 0, address, 4), Status::kOccupied);
  EXPECT_FALSE(Readable(address)) << "a refused map maps nothing";
}

TEST_F(MemoryTest, TopOfTheAddressSpaceCanBeMapped) {
  const CapIndex memory = Ram(1);
  const CapIndex domain = NewDomain(8);
  EXPECT_EQ(sys::DomainMap(domain, memory, 0, kAddressLimit - kPage, 1, kReadWrite), Status::kOk);
  EXPECT_EQ(sys::DomainUnmap(domain, kAddressLimit - kPage, 1), Status::kOk);
  EXPECT_EQ(sys::DomainMap(domain, memory, 0, 0, 1, kReadWrite), Status::kOk);
}

TEST_F(MemoryTest, UnmapErrors) {
  EXPECT_EQ(sys::DomainUnmap(kSelfDomainCap, 1, 1), Status::kBadArgument);
  EXPECT_EQ(sys::DomainUnmap(kSelfDomainCap, 0, 0), Status::kBadArgument);
  EXPECT_EQ(sys::DomainUnmap(kSelfDomainCap, kAddressLimit, 1), Status::kBadArgument);
  EXPECT_EQ(sys::DomainUnmap(kSelfDomainCap, 0, ~uint64_t{0}), Status::kBadArgument);
  EXPECT_EQ(sys::DomainUnmap(kSelfDomainCap, FreeAddress(1), 1), Status::kOk)
      << "nothing there is no error";
}

TEST_F(MemoryTest, UnmapWholeAddressSpaceOfADomain) {
  const CapIndex memory = Ram(1024, kBlock);
  const CapIndex domain = NewDomain(16);
  ASSERT_EQ(sys::DomainMap(domain, memory, 0, uint64_t{4} << 30, 1024, kReadWrite), Status::kOk);
  ASSERT_EQ(sys::DomainMap(domain, memory, 0, kPage, 3, kReadWrite), Status::kOk);
  EXPECT_EQ(sys::DomainUnmap(domain, 0, kAddressLimit / kPage), Status::kOk);
  EXPECT_EQ(sys::DomainMap(domain, memory, 0, uint64_t{4} << 30, 1024, kReadWrite), Status::kOk);
}

TEST_F(MemoryTest, PartOfABlockIsUnmapped) {
  const CapIndex memory = Ram(2 * 512, kBlock);
  uint8_t* const base = Map(memory, 2 * 512);
  for (uint64_t i = 0; i < 1024; ++i) base[i * kPage] = static_cast<uint8_t>(i);
  ASSERT_EQ(sys::DomainUnmap(kSelfDomainCap, reinterpret_cast<uint64_t>(base) + 500 * kPage, 24),
            Status::kOk);
  for (uint64_t i = 0; i < 1024; ++i) {
    ASSERT_EQ(Readable(base + i * kPage), i < 500 || i >= 524) << i;
    if (i < 500 || i >= 524) {
      ASSERT_EQ(base[i * kPage], static_cast<uint8_t>(i));
    }
  }
  // The hole can be filled by something else.
  const CapIndex other = Ram(1);
  ASSERT_EQ(MapHere(other, 0, reinterpret_cast<uint64_t>(base) + 510 * kPage, 1), Status::kOk);
  base[510 * kPage] = 0x77;
  EXPECT_EQ(base[509 * kPage - 10 * kPage], static_cast<uint8_t>(499));
}

TEST_F(MemoryTest, ResetUnmapsEverything) {
  Child child(*this, 64);
  ASSERT_EQ(sys::DomainMap(child.domain(), Ram(600, kBlock), 0, 0x40000000, 600, kReadWrite),
            Status::kOk);
  ASSERT_GT(sys::DomainAccount(child.domain()).used_pages, 0u);
  ASSERT_EQ(sys::DomainReset(child.domain()), Status::kOk);
  EXPECT_EQ(sys::DomainAccount(child.domain()).used_pages, 0u);
  const CapIndex thread = child.Run([](void*) {});
  EXPECT_TRUE(child.Reaches(thread, ThreadState::kFaulted)) << "its code is not mapped any more";
}

TEST_F(MemoryTest, MappingEndsWithItsMemory) {
  const CapIndex memory = Ram(4);
  const CapIndex part = Slot();
  ASSERT_EQ(sys::MemoryDerive(part, memory, 1, 2, rights::kAll), Status::kOk);
  uint8_t* const all = Map(memory, 4);
  uint8_t* const some = Map(part, 2);
  uint8_t* const again = Map(part, 2, rights::kRead);
  ASSERT_EQ(sys::CapDelete(part), Status::kOk);
  EXPECT_FALSE(Readable(some));
  EXPECT_FALSE(Readable(some + kPage));
  EXPECT_FALSE(Readable(again));
  EXPECT_TRUE(Readable(all + kPage)) << "the parent's own mapping stays";
}

TEST_F(MemoryTest, RevokeReachesAllDomains) {
  const CapIndex memory = Ram(4);
  const CapIndex grant = Slot();
  ASSERT_EQ(sys::MemoryDerive(grant, memory, 0, 2, rights::kAll), Status::kOk);
  const CapIndex deeper = Slot();
  ASSERT_EQ(sys::MemoryDerive(deeper, grant, 1, 1, rights::kAll), Status::kOk);
  const CapIndex a = NewDomain(16);
  const CapIndex b = NewDomain(16);
  ASSERT_EQ(sys::DomainMap(a, grant, 0, 0x40000000, 2, kReadWrite), Status::kOk);
  ASSERT_EQ(sys::DomainMap(b, deeper, 0, 0x40000000, 1, kReadWrite), Status::kOk);
  uint8_t* const mine = Map(deeper, 1);
  ASSERT_EQ(sys::CapRevoke(memory), Status::kOk);
  EXPECT_FALSE(Readable(mine));
  // Free in both: a mapping that was left would refuse this.
  EXPECT_EQ(sys::DomainMap(a, memory, 0, 0x40000000, 4, kReadWrite), Status::kOk);
  EXPECT_EQ(sys::DomainMap(b, memory, 0, 0x40000000, 4, kReadWrite), Status::kOk);
  EXPECT_EQ(sys::MemoryInfo(memory).status, Status::kOk);
}

TEST_F(MemoryTest, BlockMappingEndsWithItsMemory) {
  const CapIndex memory = Ram(3 * 512, kBlock);
  const CapIndex part = Slot();
  ASSERT_EQ(sys::MemoryDerive(part, memory, 512, 1024, rights::kAll), Status::kOk);
  uint8_t* const base = Map(part, 1024);
  // A hole in it and something else in the hole.
  ASSERT_EQ(sys::DomainUnmap(kSelfDomainCap, reinterpret_cast<uint64_t>(base) + 512 * kPage, 1),
            Status::kOk);
  ASSERT_EQ(MapHere(memory, 0, reinterpret_cast<uint64_t>(base) + 512 * kPage, 1), Status::kOk);
  ASSERT_EQ(sys::CapDelete(part), Status::kOk);
  for (uint64_t i = 0; i < 1024; ++i) ASSERT_EQ(Readable(base + i * kPage), i == 512) << i;
}

TEST_F(MemoryTest, MappingAgainAndAgainCostsNothingInTheEnd) {
  const CapIndex memory = Ram(512, kBlock);
  const uint64_t address = FreeAddress(512, kBlock);
  const auto round = [&] {
    ASSERT_EQ(MapHere(memory, 0, address, 512), Status::kOk);
    ASSERT_EQ(sys::DomainUnmap(kSelfDomainCap, address + kPage, 1), Status::kOk);
    ASSERT_EQ(sys::DomainUnmap(kSelfDomainCap, address, 512), Status::kOk);
  };
  round();
  const uint64_t before = UsedPages();
  for (int i = 0; i < 200 && !HasFatalFailure(); ++i) round();
  EXPECT_EQ(UsedPages(), before);
}

// The same in two halves: what is kept about a mapping must go with its last page.
TEST_F(MemoryTest, UnmappingInPartsCostsNothingInTheEnd) {
  const CapIndex memory = Ram(2);
  const uint64_t address = FreeAddress(2);
  const auto round = [&] {
    ASSERT_EQ(MapHere(memory, 0, address, 2), Status::kOk);
    ASSERT_EQ(sys::DomainUnmap(kSelfDomainCap, address, 1), Status::kOk);
    ASSERT_EQ(sys::DomainUnmap(kSelfDomainCap, address + kPage, 1), Status::kOk);
  };
  round();
  const uint64_t before = UsedPages();
  for (int i = 0; i < 500 && !HasFatalFailure(); ++i) round();
  EXPECT_EQ(UsedPages(), before);
}

TEST_F(MemoryTest, GuardedCopyStopsWhereTheMappingEnds) {
  const CapIndex memory = Ram(1);
  uint8_t* const page = Map(memory, 1);
  memset(page, 0x11, kPage);
  static uint8_t buffer[64];
  EXPECT_TRUE(runtime::GuardedCopy(buffer, page + kPage - 64, 64));
  EXPECT_FALSE(runtime::GuardedCopy(buffer, page + kPage - 32, 64));
  static uint8_t large[2 * kPage];
  EXPECT_TRUE(runtime::GuardedCopy(large, page, kPage));
  for (size_t bytes = kPage + 1; bytes < 2 * kPage; bytes += 251) {
    EXPECT_FALSE(runtime::GuardedCopy(large, page, bytes));
    EXPECT_FALSE(runtime::GuardedCopy(page, large, bytes));
  }
}

// The steps of 256, 32, 8 bytes and one, at any alignment: all of it and nothing beside it.
TEST_F(MemoryTest, GuardedCopyCopiesEachLength) {
  constexpr size_t kMost = 3000;
  static uint8_t from[kMost + 32];
  static uint8_t to[kMost + 32];
  for (size_t i = 0; i < sizeof(from); ++i) from[i] = static_cast<uint8_t>(i * 7 + i / 256);
  for (size_t bytes = 0; bytes <= kMost; bytes += bytes < 300 ? 1 : 37) {
    const size_t at = bytes % 16;
    memset(to, 0xee, sizeof(to));
    ASSERT_TRUE(runtime::GuardedCopy(to + 1 + at, from + at / 3, bytes));
    ASSERT_EQ(memcmp(to + 1 + at, from + at / 3, bytes), 0) << bytes;
    ASSERT_EQ(to[at], 0xee) << bytes;
    ASSERT_EQ(to[1 + at + bytes], 0xee) << bytes;
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
