// SPDX-License-Identifier: Apache-2.0
//
// Domains: creation, quota, VMIDs, and the account after their end.
#include <vector>

#include "tests/kernel/child.h"
#include "tests/kernel/fixture.h"

namespace pyrene::kernel_test {
namespace {

constexpr unsigned kVmids = 255;  // 8 bits, 0 is not used

using DomainTest = KernelTest;

TEST_F(DomainTest, CreateAnswersTheIdAndAccount) {
  const CapIndex domain = Slot();
  const auto created = sys::DomainCreate(domain, 20);
  ASSERT_EQ(created.status, Status::kOk);
  const auto seen = sys::CapInspect(kNullCap, domain);
  EXPECT_EQ(seen.type, ObjectType::kDomain);
  EXPECT_EQ(seen.rights, rights::kAll);
  EXPECT_EQ(seen.object_id, created.id);
  const auto account = sys::DomainAccount(domain);
  ASSERT_EQ(account.status, Status::kOk);
  EXPECT_EQ(account.quota_pages, 20u);
  EXPECT_EQ(account.used_pages, 0u);
  EXPECT_EQ(account.cpu_ticks, 0u);
}

TEST_F(DomainTest, CreateErrors) {
  const uint64_t before = UsedPages();
  EXPECT_EQ(sys::DomainCreate(Slot(), 0).status, Status::kNoMemory);
  EXPECT_EQ(sys::DomainCreate(Slot(), ~uint64_t{0}).status, Status::kNoMemory);
  const auto mine = sys::DomainAccount(kSelfDomainCap);
  EXPECT_EQ(sys::DomainCreate(Slot(), mine.quota_pages).status, Status::kNoMemory);
  // All that is free: nothing would be left for its root table.
  EXPECT_EQ(sys::DomainCreate(Slot(), mine.quota_pages - mine.used_pages).status,
            Status::kNoMemory);
  EXPECT_EQ(sys::DomainCreate(kSelfDomainCap, 4).status, Status::kOccupied);
  EXPECT_EQ(sys::DomainCreate(kNullCap, 4).status, Status::kBadArgument);
  EXPECT_EQ(sys::DomainCreate(kMaxCaps, 4).status, Status::kBadArgument);
  EXPECT_EQ(UsedPages(), before);
}

TEST_F(DomainTest, CallsNeedADomainWithControl) {
  const CapIndex notification = NewNotification();
  const CapIndex weak = Slot();
  ASSERT_EQ(sys::CapCopy(kNullCap, weak, NewDomain(8), rights::kAll & ~rights::kControl),
            Status::kOk);
  const CapIndex memory = Ram(1);
  const struct {
    CapIndex cap;
    Status expected;
  } cases[] = {{weak, Status::kNoRight},
               {notification, Status::kBadType},
               {Slot(), Status::kBadCap},
               {kNullCap, Status::kBadCap}};
  for (const auto& c : cases) {
    EXPECT_EQ(sys::DomainMap(c.cap, memory, 0, kPage, 1, rights::kRead), c.expected);
    EXPECT_EQ(sys::DomainUnmap(c.cap, kPage, 1), c.expected);
    EXPECT_EQ(sys::DomainReset(c.cap), c.expected);
    EXPECT_EQ(sys::DomainAccount(c.cap).status, c.expected);
    EXPECT_EQ(sys::DomainSupervise(c.cap, notification, 1), c.expected);
    EXPECT_EQ(sys::DomainFault(c.cap).status, c.expected);
    EXPECT_EQ(sys::ThreadCreate(Slot(), c.cap, 0, 0, 0, On(0)), c.expected);
    EXPECT_EQ(sys::VcpuCreate(Slot(), c.cap, FreeAddress(1), 0), c.expected);
  }
}

TEST_F(DomainTest, QuotaMovesAndComesBack) {
  const auto before = sys::DomainAccount(kSelfDomainCap);
  const CapIndex domain = NewDomain(100);
  const auto during = sys::DomainAccount(kSelfDomainCap);
  EXPECT_EQ(during.quota_pages, before.quota_pages - 100);
  ASSERT_EQ(sys::CapDelete(domain), Status::kOk);
  const auto after = sys::DomainAccount(kSelfDomainCap);
  EXPECT_EQ(after.quota_pages, before.quota_pages);
  EXPECT_EQ(after.used_pages, before.used_pages);
}

TEST_F(DomainTest, QuotaOfAChildsChildComesBackToo) {
  const auto before = sys::DomainAccount(kSelfDomainCap);
  Child child(*this, 100);
  const CapIndex thread = child.Run([](void* shared) {
    auto* status = static_cast<Status*>(shared);
    *status = sys::DomainCreate(20, 40).status;
    if (*status == Status::kOk) *status = sys::DomainCreate(21, 20).status;
    if (*status == Status::kOk) *status = sys::NotificationCreate(22);
  });
  ASSERT_TRUE(child.Reaches(thread, ThreadState::kExited));
  ASSERT_EQ(*child.shared<Status>(), Status::kOk);
  EXPECT_EQ(sys::DomainAccount(child.domain()).quota_pages, 40u);
  TearDown();
  const auto after = sys::DomainAccount(kSelfDomainCap);
  EXPECT_EQ(after.quota_pages, before.quota_pages);
  EXPECT_EQ(after.used_pages, before.used_pages);
}

TEST_F(DomainTest, DomainBeyondTheLastVmidIsRefused) {
  const auto before = sys::DomainAccount(kSelfDomainCap);
  std::vector<CapIndex> domains;
  Status status = Status::kOk;
  while (domains.size() < 2 * kVmids) {
    const CapIndex slot = Slot();
    status = sys::DomainCreate(slot, 1).status;
    if (status != Status::kOk) break;
    domains.push_back(slot);
  }
  EXPECT_EQ(status, Status::kNoVmid);
  EXPECT_EQ(domains.size(), kVmids - 1) << "one is this program's own";
  // One that ends makes room for one.
  ASSERT_EQ(sys::CapDelete(domains[100]), Status::kOk);
  EXPECT_EQ(sys::DomainCreate(domains[100], 1).status, Status::kOk);
  EXPECT_EQ(sys::DomainCreate(Slot(), 1).status, Status::kNoVmid);
  for (const CapIndex domain : domains) EXPECT_EQ(sys::CapDelete(domain), Status::kOk);
  TearDown();
  const auto after = sys::DomainAccount(kSelfDomainCap);
  EXPECT_EQ(after.quota_pages, before.quota_pages);
  EXPECT_EQ(after.used_pages, before.used_pages);
}

struct Sum {
  uint64_t in, out;
};
void AddOne(void* shared) {
  auto* sum = static_cast<Sum*>(shared);
  sum->out = sum->in + 1;
}

// More than there are VMIDs: a stale translation of an earlier domain would show in what its
// successor reads.
TEST_F(DomainTest, AThousandLivesEndWithTheSameAccount) {
  const uint64_t rounds = Option("rounds", 1000);
  const auto life = [this](uint64_t i) {
    Child child(*this, 16);
    auto* sum = child.shared<Sum>();
    sum->in = i;
    const CapIndex thread = child.Run(AddOne, On(static_cast<uint32_t>(i % Boot().cpus)));
    ASSERT_TRUE(child.Reaches(thread, ThreadState::kExited)) << i;
    ASSERT_EQ(sum->out, i + 1);
  };
  CostsNothing(rounds, life);
}

TEST_F(DomainTest, OwnDomainIsNoOwner) {
  // The capability at kSelfDomainCap does not own this domain: a copy of it can go.
  const CapIndex copy = Slot();
  ASSERT_EQ(sys::CapCopy(kNullCap, copy, kSelfDomainCap, rights::kAll), Status::kOk);
  EXPECT_EQ(sys::CapDelete(copy), Status::kOk);
}

}  // namespace
}  // namespace pyrene::kernel_test
