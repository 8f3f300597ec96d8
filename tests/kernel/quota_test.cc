// SPDX-License-Identifier: Apache-2.0
//
// Quotas: what a domain makes is paid by itself, running out is an error, and everything comes
// back.
#include <atomic>
#include <cstring>

#include "runtime/kernel/port_call.h"
#include "tests/kernel/child.h"
#include "tests/kernel/fixture.h"
#include "tests/kernel/task.h"

namespace pyrene::kernel_test {
namespace {

// Indices of a child's table that the tests below fill.
constexpr CapIndex kDomainIndex = 9;
constexpr CapIndex kMemoryIndex = 10;
constexpr CapIndex kFirst = 64;

struct Report {
  uint64_t made;
  Status last;
  Status again;
};

// Makes objects of one kind until it is refused, deletes them all, and makes as many again.
template <typename Make>
void Exhaust(Report* report, Make make) {
  CapIndex index = kFirst;
  while (index < kMaxCaps && (report->last = make(index)) == Status::kOk) ++index;
  report->made = index - kFirst;
  for (CapIndex i = kFirst; i < index; ++i) static_cast<void>(sys::CapDelete(i));
  CapIndex second = kFirst;
  while (second < index && (report->again = make(second)) == Status::kOk) ++second;
}

class QuotaTest : public KernelTest {
 protected:
  static constexpr uint64_t kQuota = 24;

  // Runs `function` in a child with a small quota; nothing of ours may be spent on it.
  void Check(Child::Function function, uint64_t at_least) {
    const auto before = sys::DomainAccount(kSelfDomainCap);
    {
      Child child(*this, kQuota);
      child.Give(kSelfDomainCap, child.domain());
      child.Give(kDomainIndex, NewDomain(8));
      child.Give(kMemoryIndex, Ram(64));
      const CapIndex thread = child.NewThread(function);
      child.Give(kSelfThreadCap, thread);
      const uint64_t mine = UsedPages();
      ASSERT_EQ(sys::ThreadStart(thread), Status::kOk);
      ASSERT_TRUE(child.Reaches(thread, ThreadState::kExited));
      EXPECT_EQ(UsedPages(), mine) << "somebody else's objects cost us nothing";
      const auto* report = child.shared<Report>();
      EXPECT_EQ(report->last, Status::kNoMemory);
      EXPECT_GE(report->made, at_least);
      EXPECT_EQ(report->again, Status::kOk) << "what was deleted can be had again";
      const auto account = sys::DomainAccount(child.domain());
      EXPECT_LE(account.used_pages, account.quota_pages);
      EXPECT_LE(account.quota_pages, kQuota);
    }
    TearDown();
    const auto after = sys::DomainAccount(kSelfDomainCap);
    EXPECT_EQ(after.used_pages, before.used_pages);
    EXPECT_EQ(after.quota_pages, before.quota_pages);
  }
};

TEST_F(QuotaTest, Notifications) {
  Check(
      [](void* r) {
        Exhaust(static_cast<Report*>(r), [](CapIndex i) { return sys::NotificationCreate(i); });
      },
      100);
}

TEST_F(QuotaTest, Ports) {
  Check(
      [](void* r) {
        Exhaust(static_cast<Report*>(r), [](CapIndex i) { return sys::PortCreate(i); });
      },
      100);
}

TEST_F(QuotaTest, Memories) {
  Check(
      [](void* r) {
        Exhaust(static_cast<Report*>(r),
                [](CapIndex i) { return sys::MemoryDerive(i, kMemoryIndex, 0, 1, rights::kAll); });
      },
      100);
}

TEST_F(QuotaTest, Threads) {
  Check(
      [](void* r) {
        Exhaust(static_cast<Report*>(r),
                [](CapIndex i) { return sys::ThreadCreate(i, kDomainIndex, 0, 0, 0, On(0, 1)); });
      },
      20);
}

TEST_F(QuotaTest, Domains) {
  Check(
      [](void* r) {
        Exhaust(static_cast<Report*>(r), [](CapIndex i) { return sys::DomainCreate(i, 1).status; });
      },
      4);
}

TEST_F(QuotaTest, Vcpus) {
  Check(
      [](void* r) {
        Exhaust(static_cast<Report*>(r), [](CapIndex i) {
          return sys::VcpuCreate(i, kDomainIndex, 0x50000000 + uint64_t{i} * kPage, 0);
        });
      },
      4);
}

// Copies cost the table they go to: its owner cannot be made to pay for pages beyond its quota, the
// copier pays nothing.
TEST_F(QuotaTest, CapabilityTable) {
  const CapIndex domain = NewDomain(3);
  const CapIndex notification = NewNotification();
  const uint64_t mine = UsedPages();
  unsigned pages = 0;
  for (CapIndex index = 1; index < kMaxCaps; index += 64) {
    const Status status = sys::CapCopy(domain, index, notification, rights::kAll);
    if (status == Status::kOk) {
      ++pages;
    } else {
      EXPECT_EQ(status, Status::kNoMemory);
    }
  }
  EXPECT_EQ(pages, 3u);
  EXPECT_EQ(sys::DomainAccount(domain).used_pages, 3u);
  EXPECT_EQ(UsedPages(), mine);
}

TEST_F(QuotaTest, MappingsArePaidByTheDomainTheyAreIn) {
  const CapIndex memory = Ram(1);
  const CapIndex domain = NewDomain(10);
  const uint64_t mine = UsedPages();
  // One page in each GiB: two tables and a record each time.
  Status status = Status::kOk;
  uint64_t mapped = 0;
  for (; mapped < 100 && status == Status::kOk; ++mapped)
    status = sys::DomainMap(domain, memory, 0, (mapped + 1) << 30, 1, kReadWrite);
  EXPECT_EQ(status, Status::kNoMemory);
  EXPECT_EQ(mapped, 5u) << "four fit, the fifth is refused";
  EXPECT_EQ(UsedPages(), mine);
  ASSERT_EQ(sys::DomainReset(domain), Status::kOk);
  EXPECT_EQ(sys::DomainAccount(domain).used_pages, 0u);
  EXPECT_EQ(sys::DomainMap(domain, memory, 0, uint64_t{50} << 30, 1, kReadWrite), Status::kOk);
}

// A map that runs out of tables half way keeps what is done; it can be unmapped.
TEST_F(QuotaTest, MapThatRunsOut) {
  const CapIndex memory = Ram(2 * 512 + 2, kBlock);
  const CapIndex domain = NewDomain(3);
  // Not block aligned: needs level-2 and three level-3 tables, and a page for its record.
  const uint64_t address = (uint64_t{1} << 30) - kPage + kBlock;
  const uint64_t pages = 2 * 512;
  EXPECT_EQ(sys::DomainMap(domain, memory, 1, address, pages, kReadWrite), Status::kNoMemory);
  ASSERT_EQ(sys::DomainUnmap(domain, address, pages), Status::kOk);
  for (uint64_t i = 0; i < pages; ++i) {
    const Status status = sys::DomainMap(domain, memory, 0, address + i * kPage, 1, kReadWrite);
    if (status == Status::kOk) {
      ASSERT_EQ(sys::DomainUnmap(domain, address + i * kPage, 1), Status::kOk);
    } else {
      ASSERT_EQ(status, Status::kNoMemory) << i;
    }
  }
  ASSERT_EQ(sys::DomainReset(domain), Status::kOk);
  EXPECT_EQ(sys::DomainAccount(domain).used_pages, 0u);
}

// Interrupts that come all the time cut a long map, unmap or revoke into pieces; the records of the
// pieces go with what they stand for, in whatever order it is unmapped.
TEST_F(QuotaTest, LongOperationsInPieces) {
  constexpr uint64_t kPages = 4 * 512;
  const CapIndex memory = Ram(kPages + 1, kBlock);
  const CapIndex domain = NewDomain(40);
  const uint64_t address = uint64_t{1} << 30;
  const uint64_t rounds = Option("rounds", 10);
  std::atomic<bool> stop = false;
  TaskOf interrupts(On(0), [&stop] {
    while (!stop) Sleep(20);
  });
  interrupts->Start();
  for (uint64_t round = 0; round < rounds; ++round) {
    // By pages: physical and virtual addresses do not agree. The first page leads to its own place.
    ASSERT_EQ(sys::DomainMap(domain, memory, 1, address, kPages, kReadWrite), Status::kOk);
    EXPECT_EQ(sys::DomainMap(domain, memory, 0, address + (round % kPages) * kPage, 1, kReadWrite),
              Status::kOccupied);
    const uint64_t middle = (round * 97 % kPages) * kPage;
    ASSERT_EQ(sys::DomainUnmap(domain, address + middle, 1), Status::kOk);
    switch (round % 3) {
      case 0:
        ASSERT_EQ(sys::DomainUnmap(domain, address, kPages), Status::kOk);
        break;
      case 1:
        ASSERT_EQ(sys::DomainUnmap(domain, address + kPages / 2 * kPage, kPages / 2), Status::kOk);
        ASSERT_EQ(sys::DomainUnmap(domain, address, kPages / 2), Status::kOk);
        break;
      default:
        ASSERT_EQ(sys::CapRevoke(memory), Status::kOk) << "the capability stays, and its mappings";
        ASSERT_EQ(sys::DomainUnmap(domain, address, kPages), Status::kOk);
        break;
    }
  }
  ASSERT_EQ(sys::DomainMap(domain, memory, 1, address, kPages, kReadWrite), Status::kOk);
  ASSERT_EQ(sys::CapDelete(memory), Status::kOk);
  stop = true;
  EXPECT_TRUE(interrupts->Ends());
  EXPECT_EQ(sys::DomainMap(domain, Ram(1), 0, address, 1, kReadWrite), Status::kOk)
      << "its mappings go with the capability";
  ASSERT_EQ(sys::DomainReset(domain), Status::kOk);
  EXPECT_EQ(sys::DomainAccount(domain).used_pages, 0u);
}

// Unmapping a part of a block needs a table; without one it is refused, and what was mapped stays
// mapped.
TEST_F(QuotaTest, SplitOfABlockNeedsMemory) {
  Child child(*this, 64);
  const CapIndex domain = NewDomain(2);  // one level-2 table, one page of records
  const CapIndex memory = Ram(512, kBlock);
  ASSERT_EQ(sys::DomainMap(domain, memory, 0, kBlock, 512, kReadWrite), Status::kOk);
  EXPECT_EQ(sys::DomainUnmap(domain, kBlock + kPage, 1), Status::kNoMemory);
  EXPECT_EQ(sys::DomainMap(domain, memory, 0, kBlock + kPage, 1, kReadWrite), Status::kOccupied);
  EXPECT_EQ(sys::DomainUnmap(domain, kBlock, 512), Status::kOk);
  EXPECT_EQ(sys::DomainMap(domain, memory, 0, kBlock, 512, kReadWrite), Status::kOk);
}

// What travels through a port is paid by the receiver; one that has no room gets nothing, and the
// sender no error.
TEST_F(QuotaTest, ReceiverOfCapabilitiesPaysForThem) {
  Child child(*this, 12);
  const CapIndex port = Slot();
  ASSERT_EQ(sys::PortCreate(port), Status::kOk);
  child.Give(9, port, rights::kReceive);
  const CapIndex thread = child.Run([](void* shared) {
    auto* received = static_cast<uint64_t*>(shared);
    // All that is left of the quota goes into notifications.
    CapIndex index = 16;
    while (index < 60 && sys::NotificationCreate(index) == Status::kOk) ++index;
    sys::PortMessage message = {};
    const auto call = sys::PortReplyWait(9, message, 0, sys::PackCaps(60, 61, 900));
    received[0] = call.caps;
    received[1] = 1;
    sys::PortReplyWait(9, message);
  });
  ASSERT_TRUE(child.Reaches(thread, ThreadState::kBlocked));
  const CapIndex notification = NewNotification();
  const uint64_t mine = UsedPages();
  sys::PortMessage message = {};
  EXPECT_EQ(
      sys::PortCall(port, message, sys::PackCaps(notification, notification, notification)).status,
      Status::kOk);
  EXPECT_EQ(UsedPages(), mine);
  EXPECT_GE(child.shared<uint64_t>()[0], 2u);
  EXPECT_EQ(child.shared<uint64_t>()[1], 1u);
}

}  // namespace
}  // namespace pyrene::kernel_test
