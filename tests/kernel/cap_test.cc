// SPDX-License-Identifier: Apache-2.0
//
// Capabilities: copy, delete, revoke, inspect; the derivation tree within a domain and across
// domains.
#include <map>
#include <random>
#include <set>

#include "tests/kernel/child.h"
#include "tests/kernel/fixture.h"

namespace pyrene::kernel_test {
namespace {

constexpr Rights kSignalCopy = rights::kSignal | rights::kCopy;

class Cap : public KernelTest {
 protected:
  CapIndex CopyOf(CapIndex source, Rights rights = rights::kAll, uint64_t badge = 0) {
    const CapIndex copy = Slot();
    EXPECT_EQ(sys::CapCopy(kNullCap, copy, source, rights, badge), Status::kOk);
    return copy;
  }
  static bool Exists(CapIndex index, CapIndex domain = kNullCap) {
    return sys::CapInspect(domain, index).status == Status::kOk;
  }
};

TEST_F(Cap, InspectTellsTypeRightsBadgeAndObject) {
  const CapIndex notification = NewNotification();
  const auto owner = sys::CapInspect(kNullCap, notification);
  ASSERT_EQ(owner.status, Status::kOk);
  EXPECT_EQ(owner.type, ObjectType::kNotification);
  EXPECT_EQ(owner.rights, rights::kAll);
  EXPECT_EQ(owner.badge, 0u);
  const CapIndex copy = CopyOf(notification, kSignalCopy, 0x123456789abcdef0);
  const auto seen = sys::CapInspect(kNullCap, copy);
  EXPECT_EQ(seen.type, ObjectType::kNotification);
  EXPECT_EQ(seen.rights, kSignalCopy);
  EXPECT_EQ(seen.badge, 0x123456789abcdef0u);
  EXPECT_EQ(seen.object_id, owner.object_id);
  EXPECT_NE(sys::CapInspect(kNullCap, NewNotification()).object_id, owner.object_id);
}

TEST_F(Cap, EachTypeIsNamed) {
  const auto type = [](CapIndex index) {
    const auto seen = sys::CapInspect(kNullCap, index);
    return seen.status == Status::kOk ? seen.type : ObjectType::kNone;
  };
  EXPECT_EQ(type(kSelfDomainCap), ObjectType::kDomain);
  EXPECT_EQ(type(kSelfThreadCap), ObjectType::kThread);
  EXPECT_EQ(type(Boot().bundle), ObjectType::kMemory);
  EXPECT_EQ(type(Boot().irq_control), ObjectType::kIrqControl);
  EXPECT_EQ(type(Boot().firmware),
            Boot().firmware != kNullCap ? ObjectType::kFirmware : ObjectType::kNone);
  const CapIndex port = Slot();
  ASSERT_EQ(sys::PortCreate(port), Status::kOk);
  EXPECT_EQ(type(port), ObjectType::kPort);
}

TEST_F(Cap, InspectErrors) {
  EXPECT_EQ(sys::CapInspect(kNullCap, kNullCap).status, Status::kBadCap);
  EXPECT_EQ(sys::CapInspect(kNullCap, Slot()).status, Status::kBadCap);
  EXPECT_EQ(sys::CapInspect(kNullCap, kMaxCaps).status, Status::kBadCap);
  EXPECT_EQ(sys::CapInspect(kNullCap, ~CapIndex{0}).status, Status::kBadCap);
  EXPECT_EQ(sys::CapInspect(NewNotification(), 1).status, Status::kBadType);
  EXPECT_EQ(sys::CapInspect(Slot(), 1).status, Status::kBadCap);
}

TEST_F(Cap, CopyHasAtMostTheRightsOfItsSource) {
  const CapIndex notification = NewNotification();
  const CapIndex signal = CopyOf(notification, kSignalCopy);
  const CapIndex again = CopyOf(signal, rights::kAll);
  EXPECT_EQ(sys::CapInspect(kNullCap, again).rights, kSignalCopy);
  EXPECT_EQ(sys::NotificationSignal(again, 1), Status::kOk);
  EXPECT_EQ(sys::NotificationWait(again, 1, kPoll).status, Status::kNoRight);
  const CapIndex nothing = CopyOf(signal, 0);
  EXPECT_EQ(sys::CapInspect(kNullCap, nothing).rights, 0);
  EXPECT_EQ(sys::NotificationSignal(nothing, 1), Status::kNoRight);
}

TEST_F(Cap, CopyNeedsTheCopyRight) {
  const CapIndex plain = CopyOf(NewNotification(), kReadWrite);
  EXPECT_EQ(sys::CapCopy(kNullCap, Slot(), plain, rights::kAll), Status::kNoRight);
}

TEST_F(Cap, CopyErrors) {
  const CapIndex notification = NewNotification();
  EXPECT_EQ(sys::CapCopy(kNullCap, kNullCap, notification, rights::kAll), Status::kBadArgument);
  EXPECT_EQ(sys::CapCopy(kNullCap, kMaxCaps, notification, rights::kAll), Status::kBadArgument);
  EXPECT_EQ(sys::CapCopy(kNullCap, ~CapIndex{0}, notification, rights::kAll), Status::kBadArgument);
  EXPECT_EQ(sys::CapCopy(kNullCap, notification, notification, rights::kAll), Status::kOccupied);
  EXPECT_EQ(sys::CapCopy(kNullCap, kSelfDomainCap, notification, rights::kAll), Status::kOccupied);
  EXPECT_EQ(sys::CapCopy(kNullCap, Slot(), kNullCap, rights::kAll), Status::kBadCap);
  EXPECT_EQ(sys::CapCopy(kNullCap, Slot(), Slot(), rights::kAll), Status::kBadCap);
  EXPECT_EQ(sys::CapCopy(kNullCap, Slot(), kMaxCaps, rights::kAll), Status::kBadCap);
  EXPECT_EQ(sys::CapCopy(notification, Slot(), notification, rights::kAll), Status::kBadType);
  EXPECT_EQ(sys::CapCopy(Slot(), Slot(), notification, rights::kAll), Status::kBadCap);
  const CapIndex weak = CopyOf(kSelfDomainCap, rights::kCopy);
  EXPECT_EQ(sys::CapCopy(weak, Slot(), notification, rights::kAll), Status::kNoRight);
}

TEST_F(Cap, BadgeIsGivenOnceAndOnlyToNotificationsAndPorts) {
  const CapIndex notification = NewNotification();
  const CapIndex badged = CopyOf(notification, rights::kAll, 6);
  EXPECT_EQ(sys::CapCopy(kNullCap, Slot(), badged, rights::kAll, 2), Status::kBadArgument);
  EXPECT_EQ(sys::CapInspect(kNullCap, CopyOf(badged)).badge, 6u);
  EXPECT_EQ(sys::CapCopy(kNullCap, Slot(), Ram(1), rights::kAll, 2), Status::kBadArgument);
  EXPECT_EQ(sys::CapCopy(kNullCap, Slot(), kSelfThreadCap, rights::kAll, 2), Status::kBadArgument);
  const CapIndex port = Slot();
  ASSERT_EQ(sys::PortCreate(port), Status::kOk);
  EXPECT_EQ(sys::CapInspect(kNullCap, CopyOf(port, rights::kAll, 77)).badge, 77u);
}

TEST_F(Cap, DeleteAndRevokeErrors) {
  for (const CapIndex index : {kNullCap, Slot(), kMaxCaps, ~CapIndex{0}}) {
    EXPECT_EQ(sys::CapDelete(index), Status::kBadCap);
    EXPECT_EQ(sys::CapRevoke(index), Status::kBadCap);
  }
}

TEST_F(Cap, DeleteTakesWhatDescendsAndNothingElse) {
  const CapIndex notification = NewNotification();
  const CapIndex left = CopyOf(notification);
  const CapIndex left_child = CopyOf(left);
  const CapIndex left_grandchild = CopyOf(left_child);
  const CapIndex right = CopyOf(notification);
  ASSERT_EQ(sys::CapDelete(left), Status::kOk);
  EXPECT_FALSE(Exists(left));
  EXPECT_FALSE(Exists(left_child));
  EXPECT_FALSE(Exists(left_grandchild));
  EXPECT_TRUE(Exists(right));
  EXPECT_EQ(sys::NotificationSignal(right, 1), Status::kOk);
  EXPECT_EQ(sys::NotificationWait(notification, 1, kPoll).bits, 1u);
}

TEST_F(Cap, RevokeKeepsTheTop) {
  const CapIndex notification = NewNotification();
  const CapIndex top = CopyOf(notification);
  const CapIndex child = CopyOf(top);
  const CapIndex grandchild = CopyOf(child);
  ASSERT_EQ(sys::CapRevoke(top), Status::kOk);
  EXPECT_TRUE(Exists(top));
  EXPECT_FALSE(Exists(child));
  EXPECT_FALSE(Exists(grandchild));
  EXPECT_EQ(sys::CapRevoke(top), Status::kOk) << "nothing left to revoke is no error";
  // The slots are free again.
  EXPECT_EQ(sys::CapCopy(kNullCap, child, top, rights::kAll), Status::kOk);
}

TEST_F(Cap, ObjectDiesWithItsOwnerAlone) {
  const CapIndex notification = NewNotification();
  const CapIndex copy = CopyOf(notification);
  const CapIndex sibling = CopyOf(notification);
  ASSERT_EQ(sys::CapDelete(copy), Status::kOk);
  EXPECT_EQ(sys::NotificationSignal(sibling, 1), Status::kOk);
  ASSERT_EQ(sys::CapDelete(notification), Status::kOk);
  EXPECT_EQ(sys::NotificationSignal(sibling, 1), Status::kBadCap);
}

TEST_F(Cap, ChainOfHundredsIsDeletedAtOnce) {
  const CapIndex notification = NewNotification();
  std::vector<CapIndex> chain = {notification};
  for (int i = 0; i < 600; ++i) chain.push_back(CopyOf(chain.back()));
  ASSERT_EQ(sys::CapRevoke(notification), Status::kOk);
  for (size_t i = 1; i < chain.size(); ++i) ASSERT_FALSE(Exists(chain[i])) << i;
  EXPECT_TRUE(Exists(notification));
}

TEST_F(Cap, TreeReachesAcrossDomains) {
  const CapIndex a = NewDomain(16);
  const CapIndex b = NewDomain(16);
  const CapIndex notification = NewNotification();
  const CapIndex mine = CopyOf(notification);
  ASSERT_EQ(sys::CapCopy(a, 9, mine, rights::kAll), Status::kOk);
  ASSERT_EQ(sys::CapCopy(b, 900, mine, kSignalCopy), Status::kOk);
  ASSERT_EQ(sys::CapCopy(b, 901, notification, rights::kAll), Status::kOk);
  EXPECT_EQ(sys::CapInspect(b, 900).rights, kSignalCopy);
  ASSERT_EQ(sys::CapRevoke(mine), Status::kOk);
  EXPECT_FALSE(Exists(9, a));
  EXPECT_FALSE(Exists(900, b));
  EXPECT_TRUE(Exists(901, b));
  ASSERT_EQ(sys::CapDelete(notification), Status::kOk);
  EXPECT_FALSE(Exists(901, b));
}

// In the child: 9 -> 10 -> 11, and a copy into its own child domain.
struct CopyReport {
  Status made, copied, deeper, created, given;
};
void CopyInChild(void* shared) {
  auto* report = static_cast<CopyReport*>(shared);
  report->copied = sys::CapCopy(kNullCap, 10, 9, rights::kAll);
  report->deeper = sys::CapCopy(kNullCap, 11, 10, rights::kAll);
  report->created = sys::DomainCreate(12, 4).status;
  report->given = sys::CapCopy(12, 9, 11, rights::kAll);
  report->made = sys::NotificationCreate(13);
}

TEST_F(Cap, RevokeReachesWhatAnotherDomainHandedOn) {
  Child child(*this, 64);
  const CapIndex notification = NewNotification();
  child.Give(9, notification);
  const CapIndex thread = child.Run(CopyInChild);
  ASSERT_TRUE(child.Reaches(thread, ThreadState::kExited));
  const auto* report = child.shared<CopyReport>();
  ASSERT_EQ(report->copied, Status::kOk);
  ASSERT_EQ(report->deeper, Status::kOk);
  ASSERT_EQ(report->created, Status::kOk);
  ASSERT_EQ(report->given, Status::kOk);
  ASSERT_EQ(report->made, Status::kOk);
  for (CapIndex i = 9; i <= 13; ++i) EXPECT_TRUE(Exists(i, child.domain())) << i;
  ASSERT_EQ(sys::CapRevoke(notification), Status::kOk);
  for (CapIndex i = 9; i <= 11; ++i) EXPECT_FALSE(Exists(i, child.domain())) << i;
  for (CapIndex i = 12; i <= 13; ++i) EXPECT_TRUE(Exists(i, child.domain())) << i;
  EXPECT_EQ(sys::NotificationSignal(notification, 1), Status::kOk);
}

TEST_F(Cap, DomainEndsWithAllThatItCreated) {
  const uint64_t before = UsedPages();
  {
    Child child(*this, 64);
    const CapIndex notification = NewNotification();
    child.Give(9, notification);
    const CapIndex thread = child.Run(CopyInChild);
    ASSERT_TRUE(child.Reaches(thread, ThreadState::kExited));
    ASSERT_EQ(sys::CapDelete(child.domain()), Status::kOk);
    // What it was given goes with its table, the object stays.
    EXPECT_EQ(sys::NotificationSignal(notification, 1), Status::kOk);
    EXPECT_EQ(sys::ThreadStart(thread), Status::kGone);
  }
  TearDown();
  EXPECT_EQ(UsedPages(), before);
}

// Random copies, deletions and revocations against a plain tree.
TEST_F(Cap, RandomTreesBehaveLikeTheirModel) {
  constexpr unsigned kSlots = 40;
  std::vector<CapIndex> slot(kSlots);
  for (CapIndex& index : slot) index = Slot();
  const CapIndex domain = NewDomain(16);
  // Node: slot number; 0..kSlots-1 here, kSlots..2*kSlots-1 in the other domain (index 8 + n), only
  // leaves there.
  std::map<unsigned, int> parent;
  std::mt19937 random(1);
  const auto exists = [&](unsigned node) {
    return node < kSlots ? Exists(slot[node]) : Exists(8 + node - kSlots, domain);
  };
  const auto below = [&](unsigned top) {
    std::set<unsigned> found = {top};
    for (bool grown = true; grown;) {
      grown = false;
      for (const auto& [node, from] : parent)
        if (from >= 0 && found.count(static_cast<unsigned>(from)) != 0)
          grown = found.insert(node).second || grown;
    }
    return found;
  };
  const uint64_t rounds = Option("rounds", 3000);
  for (uint64_t round = 0; round < rounds; ++round) {
    const unsigned node = random() % kSlots;
    if (parent.count(node) == 0) {
      const unsigned source = random() % kSlots;
      if (parent.count(source) != 0) {
        ASSERT_EQ(sys::CapCopy(kNullCap, slot[node], slot[source], rights::kAll), Status::kOk);
        parent[node] = static_cast<int>(source);
      } else {
        ASSERT_EQ(sys::CapCopy(kNullCap, slot[node], slot[source], rights::kAll), Status::kBadCap);
        ASSERT_EQ(sys::NotificationCreate(slot[node]), Status::kOk);
        parent[node] = -1;
      }
      continue;
    }
    const unsigned far = kSlots + random() % kSlots;
    switch (random() % 8) {
      case 0: {
        ASSERT_EQ(sys::CapDelete(slot[node]), Status::kOk);
        for (const unsigned gone : below(node)) parent.erase(gone);
        break;
      }
      case 1: {
        ASSERT_EQ(sys::CapRevoke(slot[node]), Status::kOk);
        const int from = parent[node];
        for (const unsigned gone : below(node)) parent.erase(gone);
        parent[node] = from;
        break;
      }
      case 2:
      case 3: {
        const Status status = sys::CapCopy(domain, 8 + far - kSlots, slot[node], rights::kAll);
        ASSERT_EQ(status, parent.count(far) != 0 ? Status::kOccupied : Status::kOk);
        if (status == Status::kOk) parent[far] = static_cast<int>(node);
        break;
      }
      default:
        ASSERT_EQ(sys::NotificationCreate(slot[node]), Status::kOccupied);
        break;
    }
    if (round % 16 == 0) {
      for (unsigned i = 0; i < 2 * kSlots; ++i)
        ASSERT_EQ(exists(i), parent.count(i) != 0) << "node " << i << " round " << round;
    }
  }
}

}  // namespace
}  // namespace pyrene::kernel_test
