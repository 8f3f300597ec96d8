// SPDX-License-Identifier: Apache-2.0
//
// Capability tables and the derivation tree, within a domain and across domains, and what dies with
// them.
#include <map>
#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/cap/cap_table.h"
#include "kernel/cap/derivation.h"
#include "kernel/object/notification.h"
#include "tests/unit/kernel_machine.h"

namespace pyrene::kernel_test {
namespace {

TEST(KernelCapTable, PagesComeWithTheirFirstSlot) {
  fake::PowerOn(1);
  OwnAccount account(4);
  CapTable table;
  EXPECT_EQ(table.Find(1), nullptr);
  Slot* slot;
  ASSERT_EQ(table.Reserve(*account, 1, slot), Status::kOk);
  ASSERT_EQ(table.Reserve(*account, 63, slot), Status::kOk);
  EXPECT_EQ(account->used(), 1u);
  ASSERT_EQ(table.Reserve(*account, 64, slot), Status::kOk);
  ASSERT_EQ(table.Reserve(*account, kMaxCaps - 1, slot), Status::kOk);
  EXPECT_EQ(account->used(), 3u);
  EXPECT_EQ(table.Find(kMaxCaps - 1), slot);
  ASSERT_EQ(table.Reserve(*account, 200, slot), Status::kOk);
  EXPECT_EQ(table.Reserve(*account, 300, slot), Status::kNoMemory);
  table.Free(*account);
  EXPECT_EQ(account->used(), 0u);
}

TEST(KernelCapTable, BadIndices) {
  OwnAccount account(4);
  CapTable table;
  Slot* slot;
  EXPECT_EQ(table.Reserve(*account, kNullCap, slot), Status::kBadArgument);
  EXPECT_EQ(table.Reserve(*account, kMaxCaps, slot), Status::kBadArgument);
  EXPECT_EQ(table.Reserve(*account, ~uint64_t{0}, slot), Status::kBadArgument);
  EXPECT_EQ(table.Find(kMaxCaps), nullptr);
  EXPECT_EQ(table.Find(~uint64_t{0}), nullptr);
  EXPECT_EQ(account->used(), 0u);
}

TEST(KernelCapTable, UsedSlotsAreFoundAndRefused) {
  OwnAccount account(4);
  CapTable table;
  EXPECT_EQ(table.AnyUsed(), nullptr);
  Slot* slot;
  ASSERT_EQ(table.Reserve(*account, 100, slot), Status::kOk);
  EXPECT_EQ(table.AnyUsed(), nullptr) << "reserved is not used";
  int object;
  Insert(*slot, nullptr, Slot::Pack(&object, ObjectType::kIrqControl, rights::kAll, false), 0);
  EXPECT_EQ(table.AnyUsed(), slot);
  EXPECT_EQ(table.Reserve(*account, 100, slot), Status::kOccupied);
  ASSERT_TRUE(DeleteTree(*slot, true));
  EXPECT_EQ(table.AnyUsed(), nullptr);
  table.Free(*account);
}

TEST(KernelSlot, WordKeepsItsParts) {
  auto* const object = reinterpret_cast<void*>(0x0000'7fff'1234'5670);
  for (const bool owner : {false, true}) {
    const uint64_t word = Slot::Pack(object, ObjectType::kFirmware, 0xa5, owner);
    EXPECT_EQ(Slot::ObjectOf<void>(word), object);
    EXPECT_EQ(Slot::TypeOf(word), ObjectType::kFirmware);
    EXPECT_EQ(Slot::RightsOf(word), 0xa5);
    EXPECT_EQ((word & Slot::kOwner) != 0, owner);
  }
}

// Random operations on several tables against a plain tree; objects live as long as their owner's
// slot.
class KernelDerivation : public testing::Test {
 protected:
  static constexpr unsigned kTables = 3;
  static constexpr uint64_t kIndices = 30;
  static constexpr CapIndex kDomains = 64;  // the boss's capabilities for the tables
  struct Node {
    uint64_t parent;  // key, or kNone
    bool owner;
  };
  static constexpr uint64_t kNone = ~uint64_t{0};

  // Table 0 is the boss's own.
  static uint64_t Key(unsigned table, uint64_t index) { return table * 1000 + index; }
  CapTable& TableOf(unsigned table) {
    return (table == 0 ? machine_.root() : machine_.Object<Domain>(kDomains + table)).caps();
  }
  Slot* Find(uint64_t key) {
    return const_cast<Slot*>(TableOf(static_cast<unsigned>(key / 1000)).Find(key % 1000));
  }

  void Drop(uint64_t top, bool include_top) {
    std::set<uint64_t> gone = {top};
    for (bool grown = true; grown;) {
      grown = false;
      for (const auto& [key, node] : model_)
        if (gone.count(node.parent) != 0) grown = gone.insert(key).second || grown;
    }
    for (const uint64_t key : gone)
      if (key != top || include_top) model_.erase(key);
  }

  void CheckAll() {
    for (unsigned table = 0; table < kTables; ++table) {
      for (uint64_t index = 3; index < kIndices; ++index) {
        const Slot* slot = Find(Key(table, index));
        const auto expected = model_.find(Key(table, index));
        const bool used = slot != nullptr && slot->word != 0;
        ASSERT_EQ(used, expected != model_.end()) << table << ":" << index;
        if (!used) continue;
        ASSERT_EQ((slot->word & Slot::kOwner) != 0, expected->second.owner);
        const Slot* parent =
            expected->second.parent == kNone ? nullptr : Find(expected->second.parent);
        ASSERT_EQ(slot->parent, parent);
        // The lists of siblings are whole.
        for (const Slot* child = slot->first_child; child != nullptr; child = child->next_sibling) {
          ASSERT_EQ(child->parent, slot);
          if (child->next_sibling != nullptr)
            ASSERT_EQ(child->next_sibling->previous_sibling, child);
        }
        if (slot->first_child != nullptr) ASSERT_EQ(slot->first_child->previous_sibling, nullptr);
      }
    }
  }

  KernelMachine machine_{1};
  std::map<uint64_t, Node> model_;
};

TEST_F(KernelDerivation, RandomTrees) {
  std::mt19937_64 random(Seed());
  for (unsigned table = 1; table < kTables; ++table)
    ASSERT_EQ(machine_.Call(Syscall::kDomainCreate, {kDomains + table, 20}).status, Status::kOk);
  const uint64_t rounds = Rounds(20000);
  for (uint64_t round = 0; round < rounds; ++round) {
    const uint64_t index = 3 + random() % (kIndices - 3);
    const auto target = static_cast<unsigned>(random() % kTables);
    const uint64_t other = 3 + random() % (kIndices - 3);
    switch (random() % 6) {
      case 0: {
        const Status status = machine_.Call(Syscall::kNotificationCreate, {index}).status;
        ASSERT_EQ(status, model_.count(index) != 0 ? Status::kOccupied : Status::kOk);
        if (status == Status::kOk) model_[index] = {kNone, true};
        break;
      }
      case 1:
      case 2:
      case 3: {
        const uint64_t key = Key(target, other);
        const uint64_t domain = target == 0 ? kNullCap : kDomains + target;
        const Status status =
            machine_.Call(Syscall::kCapCopy, {domain, other, index, rights::kAll, 0}).status;
        if (model_.count(index) == 0) {
          ASSERT_EQ(status, Status::kBadCap);
        } else {
          ASSERT_EQ(status, model_.count(key) != 0 ? Status::kOccupied : Status::kOk);
        }
        if (status == Status::kOk) model_[key] = {index, false};
        break;
      }
      case 4: {
        const bool revoke = random() % 2 == 0;
        const Status status =
            machine_.Call(revoke ? Syscall::kCapRevoke : Syscall::kCapDelete, {index}).status;
        ASSERT_EQ(status, model_.count(index) != 0 ? Status::kOk : Status::kBadCap);
        if (status == Status::kOk) Drop(index, !revoke);
        break;
      }
      default: {
        // The whole table of a domain, now and then.
        if (random() % 40 != 0 || target == 0) break;
        ASSERT_EQ(machine_.Call(Syscall::kCapDelete, {kDomains + target}).status, Status::kOk);
        for (uint64_t i = 3; i < kIndices; ++i) {
          if (model_.count(Key(target, i)) != 0) Drop(Key(target, i), true);
        }
        ASSERT_EQ(machine_.Call(Syscall::kDomainCreate, {kDomains + target, 20}).status,
                  Status::kOk);
        break;
      }
    }
    if (round % 8 == 0) CheckAll();
    if (HasFatalFailure()) return;
  }
}

// A deletion that an interrupt stops goes on when the call is made again, and nothing is half gone
// in between.
TEST_F(KernelDerivation, PreemptedDeletion) {
  constexpr CapIndex kTop = 3;
  ASSERT_EQ(machine_.Call(Syscall::kNotificationCreate, {kTop}).status, Status::kOk);
  constexpr uint64_t kCopies = 50;
  for (uint64_t i = 0; i < kCopies; ++i)
    ASSERT_EQ(machine_.Call(Syscall::kCapCopy, {kNullCap, 100 + i, kTop, rights::kAll, 0}).status,
              Status::kOk);
  const auto left = [this] {
    uint64_t count = 0;
    for (uint64_t i = 0; i < kCopies; ++i) count += machine_.root().caps().Find(100 + i)->word != 0;
    return count;
  };
  Slot* top = const_cast<Slot*>(machine_.root().caps().Find(kTop));
  // An interrupt is pending all the time: one leaf for each attempt.
  Poke(0);
  uint64_t attempts = 0;
  while (!DeleteTree(*top, false)) {
    ++attempts;
    ASSERT_EQ(left(), kCopies - attempts);
  }
  EXPECT_EQ(attempts, kCopies);
  EXPECT_EQ(left(), 0u);
  machine_.Settle();
}

// Domains in domains in domains: deletion takes no more stack however deep they are.
TEST_F(KernelDerivation, DeepDomains) {
  const uint64_t used = machine_.root().account().used();
  ASSERT_EQ(machine_.Call(Syscall::kDomainCreate, {3, 900}).status, Status::kOk);
  Domain* at = &machine_.Object<Domain>(3);
  unsigned depth = 1;
  for (;; ++depth) {
    // As if a thread of it had made the call.
    Status status;
    Slot* slot;
    if (at->caps().Reserve(at->account(), 3, slot) != Status::kOk) break;
    const uint64_t free = at->account().quota() - at->account().used();
    if (free < 4) break;
    Domain* inner = Domain::Create(status, at->account(), free - 3);
    if (inner == nullptr) break;
    Insert(*slot, nullptr, Slot::Pack(inner, ObjectType::kDomain, rights::kAll, true), 0);
    at = inner;
  }
  EXPECT_GT(depth, 100u);
  ASSERT_EQ(machine_.Call(Syscall::kCapDelete, {3}).status, Status::kOk);
  EXPECT_EQ(machine_.root().account().used(), used);
}

}  // namespace
}  // namespace pyrene::kernel_test
