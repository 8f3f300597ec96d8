// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "services/xenstore/path.h"
#include "services/xenstore/transaction.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

using Lines = std::vector<std::string>;

class TransactionTest : public StoreTest {
 protected:
  explicit TransactionTest(const ServerOptions& options = {})
      : StoreTest(options), guest_(AddGuest(5)), other_(AddGuest(6)) {}

  Client guest_;
  Client other_;
};

TEST_F(TransactionTest, ChangesAreSeenInsideAtOnceAndOutsideAfterCommit) {
  uint32_t tx = guest_.Start();
  ASSERT_NE(tx, 0u);
  EXPECT_EQ(guest_.Write("data/a", "1", tx), "OK");
  EXPECT_EQ(guest_.Read("data/a", tx), "1");
  EXPECT_EQ(guest_.Directory("data", tx), "a");
  EXPECT_EQ(guest_.Read("data/a"), "!ENOENT");
  EXPECT_EQ(guest_.End(tx), "OK");
  EXPECT_EQ(guest_.Read("data/a"), "1");
}

TEST_F(TransactionTest, AbortLeavesNothing) {
  uint32_t tx = guest_.Start();
  guest_.Write("data/a", "1", tx);
  EXPECT_EQ(guest_.End(tx, /*commit=*/false), "OK");
  EXPECT_EQ(guest_.Read("data/a"), "!ENOENT");
  EXPECT_EQ(guest_.End(tx), "!ENOENT");
}

TEST_F(TransactionTest, Errors) {
  uint32_t tx = guest_.Start();
  EXPECT_EQ(guest_.Do(MessageType::kTransactionStart, Payload({""}), tx), "!EBUSY");
  EXPECT_EQ(guest_.Do(MessageType::kTransactionStart, Payload({""}), 4711), "!EBUSY");
  EXPECT_EQ(guest_.Do(MessageType::kTransactionEnd, Payload({"X"}), tx), "!EINVAL");
  EXPECT_EQ(guest_.Do(MessageType::kTransactionEnd, "T", tx), "!EINVAL");
  EXPECT_EQ(guest_.End(0), "!ENOENT");
  EXPECT_EQ(guest_.End(tx + 1), "!ENOENT");
  EXPECT_EQ(guest_.Read("data", tx + 1), "!ENOENT");
  EXPECT_EQ(other_.Read("data", tx), "!ENOENT") << "transactions belong to their connection";
  EXPECT_EQ(guest_.Do(MessageType::kGetDomainPath, Payload({"1"}), 4711),
            Payload({"/local/domain/1"}))
      << "takes no transaction";
  EXPECT_EQ(guest_.End(tx), "OK");
}

TEST_F(TransactionTest, IdsAreNeverZeroOrInUse) {
  std::set<uint32_t> open;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(open.insert(guest_.Start()).second);
  EXPECT_FALSE(open.contains(0));
  std::string error;
  EXPECT_EQ(guest_.Start(&error), 0u);
  EXPECT_EQ(error, "!ENOSPC");
  EXPECT_EQ(guest_.End(*open.begin()), "OK");
  EXPECT_NE(guest_.Start(), 0u);
}

TEST_F(TransactionTest, ASnapshotIsIsolated) {
  guest_.Write("data/a", "old");
  uint32_t tx = guest_.Start();
  tool_.Write("/local/domain/5/data/a", "new");
  tool_.Write("/local/domain/5/data/b", "new");
  EXPECT_EQ(guest_.Read("data/a", tx), "old");
  EXPECT_EQ(guest_.Read("data/b", tx), "!ENOENT");
  EXPECT_EQ(guest_.Directory("data", tx), "a");
}

// Each case: what is in the tree, what the transaction does, what happens meanwhile, and whether
// they conflict.
struct ConflictCase {
  const char* name;
  void (*inside)(Client& guest, uint32_t tx);
  void (*meanwhile)(Client& tool);
  bool conflict;
};

class ConflictTest : public TransactionTest, public testing::WithParamInterface<ConflictCase> {};

TEST_P(ConflictTest, CommitFailsExactlyIfWhatWasTouchedChanged) {
  guest_.Write("data/a/x", "1");
  guest_.Write("data/b", "1");
  uint32_t tx = guest_.Start();
  GetParam().inside(guest_, tx);
  GetParam().meanwhile(tool_);
  EXPECT_EQ(guest_.End(tx), GetParam().conflict ? "!EAGAIN" : "OK");
}

constexpr char kA[] = "/local/domain/5/data/a";
constexpr char kAX[] = "/local/domain/5/data/a/x";
constexpr char kAY[] = "/local/domain/5/data/a/y";
constexpr char kB[] = "/local/domain/5/data/b";

INSTANTIATE_TEST_SUITE_P(
    All, ConflictTest,
    testing::Values(
        ConflictCase{"ReadAndWritten", [](Client& g, uint32_t tx) { g.Read(kB, tx); },
                     [](Client& t) { t.Write(kB, "2"); }, true},
        ConflictCase{"ReadAndWrittenWithTheSame", [](Client& g, uint32_t tx) { g.Read(kB, tx); },
                     [](Client& t) { t.Write(kB, "1"); }, true},
        ConflictCase{"ReadAndPermsSet", [](Client& g, uint32_t tx) { g.Read(kB, tx); },
                     [](Client& t) {
                       t.SetPerms(kB, {"n5", "r6"});
                     },
                     true},
        ConflictCase{"ReadAndRemoved", [](Client& g, uint32_t tx) { g.Read(kB, tx); },
                     [](Client& t) { t.Rm(kB); }, true},
        ConflictCase{"ReadAndRemadeTheSame", [](Client& g, uint32_t tx) { g.Read(kB, tx); },
                     [](Client& t) {
                       t.Rm(kB);
                       t.Write(kB, "1");
                     },
                     true},
        ConflictCase{"FoundMissingAndCreated", [](Client& g, uint32_t tx) { g.Read(kAY, tx); },
                     [](Client& t) { t.Write(kAY, "1"); }, true},
        ConflictCase{"FoundMissingAndCreatedAndRemoved",
                     [](Client& g, uint32_t tx) { g.Read(kAY, tx); },
                     [](Client& t) {
                       t.Write(kAY, "1");
                       t.Rm(kAY);
                     },
                     false},
        ConflictCase{"ReadAndChildCreated", [](Client& g, uint32_t tx) { g.Read(kA, tx); },
                     [](Client& t) { t.Write(kAY, "1"); }, false},
        ConflictCase{"ListedAndChildCreated", [](Client& g, uint32_t tx) { g.Directory(kA, tx); },
                     [](Client& t) { t.Write(kAY, "1"); }, true},
        ConflictCase{"ListedAndChildRemoved", [](Client& g, uint32_t tx) { g.Directory(kA, tx); },
                     [](Client& t) { t.Rm(kAX); }, true},
        ConflictCase{"ListedAndChildWritten", [](Client& g, uint32_t tx) { g.Directory(kA, tx); },
                     [](Client& t) { t.Write(kAX, "2"); }, false},
        ConflictCase{"WrittenAndWritten", [](Client& g, uint32_t tx) { g.Write(kB, "3", tx); },
                     [](Client& t) { t.Write(kB, "2"); }, true},
        ConflictCase{"CreatedAndCreated", [](Client& g, uint32_t tx) { g.Write(kAY, "3", tx); },
                     [](Client& t) { t.Write(kAY, "2"); }, true},
        ConflictCase{"CreatedBesideCreated", [](Client& g, uint32_t tx) { g.Write(kAY, "3", tx); },
                     [](Client& t) { t.Write("/local/domain/5/data/a/z", "2"); }, false},
        ConflictCase{"CreatedAndParentRemoved",
                     [](Client& g, uint32_t tx) { g.Write(kAY, "3", tx); },
                     [](Client& t) { t.Rm(kA); }, true},
        ConflictCase{"CreatedAndParentsPermsSet",
                     [](Client& g, uint32_t tx) { g.Write(kAY, "3", tx); },
                     [](Client& t) {
                       t.SetPerms(kA, {"n5", "r6"});
                     },
                     true},
        ConflictCase{"RemovedAndRemoved", [](Client& g, uint32_t tx) { g.Rm(kB, tx); },
                     [](Client& t) { t.Rm(kB); }, true},
        ConflictCase{"RemovedAndWrittenBelow", [](Client& g, uint32_t tx) { g.Rm(kA, tx); },
                     [](Client& t) { t.Write(kAX, "2"); }, true},
        ConflictCase{"RemovedAndCreatedBelow", [](Client& g, uint32_t tx) { g.Rm(kA, tx); },
                     [](Client& t) { t.Write(kAY, "2"); }, true},
        ConflictCase{"RemovedBesideWritten", [](Client& g, uint32_t tx) { g.Rm(kA, tx); },
                     [](Client& t) { t.Write(kB, "2"); }, false},
        ConflictCase{"RemovedAndLookedBelow",
                     [](Client& g, uint32_t tx) {
                       g.Rm(kA, tx);
                       EXPECT_EQ(g.Read(kAX, tx), "!ENOENT");
                     },
                     [](Client& t) { t.Write(kB, "2"); }, false},
        ConflictCase{"PermsReadAndWritten", [](Client& g, uint32_t tx) { g.GetPerms(kB, tx); },
                     [](Client& t) {
                       t.SetPerms(kB, {"n5", "r6"});
                     },
                     true},
        ConflictCase{"Unrelated", [](Client& g, uint32_t tx) { g.Write(kB, "3", tx); },
                     [](Client& t) { t.Write("/tool/x", "2"); }, false},
        ConflictCase{"NothingTouched", [](Client&, uint32_t) {}, [](Client& t) { t.Rm(kA); },
                     false}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(TransactionTest, TheFirstOfTwoSucceedsAndTheSecondAfterARetry) {
  uint32_t first = guest_.Start();
  uint32_t second = tool_.Start();
  EXPECT_EQ(guest_.Write("data/a", "1", first), "OK");
  EXPECT_EQ(tool_.Write("/local/domain/5/data/a", "2", second), "OK");
  EXPECT_EQ(tool_.End(second), "OK");
  EXPECT_EQ(guest_.End(first), "!EAGAIN");
  first = guest_.Start();
  EXPECT_EQ(guest_.Write("data/a", "1", first), "OK");
  EXPECT_EQ(guest_.End(first), "OK");
}

TEST_F(TransactionTest, ACommitConflictsWithATransactionThatBeganAfterItsChangesWereMade) {
  uint32_t first = guest_.Start();
  guest_.Write("data/a", "1", first);
  uint32_t second = tool_.Start();
  EXPECT_EQ(tool_.Read("/local/domain/5/data/a", second), "!ENOENT");
  EXPECT_EQ(guest_.End(first), "OK");
  EXPECT_EQ(tool_.End(second), "!EAGAIN");
}

TEST_F(TransactionTest, CommitsMergeWithUnrelatedChanges) {
  guest_.Write("data/keep", "1");
  guest_.Write("data/gone", "1");
  uint32_t tx = guest_.Start();
  guest_.Write("data/new/deep/node", "2", tx);
  guest_.Rm("data/gone", tx);
  guest_.Write("data/keep", "3", tx);
  guest_.SetPerms("data/keep", {"n5", "r6"}, tx);
  tool_.Write("/local/domain/5/data/other", "4");
  EXPECT_EQ(guest_.End(tx), "OK");
  EXPECT_EQ(guest_.Directory("data"), "keep other new");
  EXPECT_EQ(guest_.Read("data/new/deep/node"), "2");
  EXPECT_EQ(guest_.Read("data/keep"), "3");
  EXPECT_EQ(guest_.GetPerms("data/keep"), "n5 r6");
}

TEST_F(TransactionTest, RemovedAndMadeAgainInside) {
  guest_.Write("data/a/x", "1");
  uint32_t tx = guest_.Start();
  guest_.Rm("data/a", tx);
  guest_.Write("data/a/y", "2", tx);
  EXPECT_EQ(guest_.End(tx), "OK");
  EXPECT_EQ(guest_.Directory("data/a"), "y");
}

TEST_F(TransactionTest, CreatedAndRemovedInside) {
  uint32_t tx = guest_.Start();
  guest_.Write("data/a/b", "1", tx);
  guest_.Rm("data/a/b", tx);
  EXPECT_EQ(guest_.End(tx), "OK");
  EXPECT_EQ(guest_.Directory("data"), "a") << "the parent was made and stayed";
  EXPECT_EQ(guest_.Directory("data/a"), "");
}

TEST_F(TransactionTest, ListingsKeepTheOrderOfCreation) {
  guest_.Write("data/old", "");
  guest_.Write("data/aged", "");
  uint32_t tx = guest_.Start();
  guest_.Write("data/z/2", "", tx);
  guest_.Write("data/c", "", tx);
  guest_.Write("data/z/1", "", tx);
  guest_.Rm("data/old", tx);
  guest_.Write("data/old", "", tx);
  guest_.Write("data/b", "", tx);
  guest_.Write("data/c", "again", tx);
  const Lines inside = {guest_.Directory("data", tx), guest_.Directory("data/z", tx)};
  EXPECT_EQ(guest_.End(tx), "OK");
  EXPECT_EQ((Lines{guest_.Directory("data"), guest_.Directory("data/z")}), inside);
  EXPECT_EQ(inside, (Lines{"aged z c old b", "2 1"}));
}

TEST_F(TransactionTest, EventsComeAtCommit) {
  ASSERT_EQ(guest_.Watch("data", "t"), "OK");
  guest_.Events();
  guest_.Write("data/c/d", "");
  guest_.Events();
  uint32_t tx = guest_.Start();
  guest_.Write("data/b/x", "1", tx);
  guest_.Write("data/a", "1", tx);
  guest_.Write("data/a", "2", tx);
  guest_.Rm("data/c", tx);
  EXPECT_EQ(guest_.Events(), Lines{});
  EXPECT_EQ(guest_.End(tx), "OK");
  EXPECT_EQ(guest_.Events(), (Lines{"data/c t", "data/b/x t", "data/a t"}))
      << "each once, none for parents";
  tx = guest_.Start();
  guest_.Write("data/a", "3", tx);
  EXPECT_EQ(guest_.End(tx, false), "OK");
  EXPECT_EQ(guest_.Events(), Lines{});
}

TEST_F(TransactionTest, TheNumberOfTouchedNodesIsLimited) {
  uint32_t tx = guest_.Start();
  std::string reply = "!ENOENT";
  int touched = 0;
  while (touched < 2000 && reply == "!ENOENT") {
    reply = guest_.Read("data/" + std::to_string(touched), tx);
    if (reply == "!ENOENT") ++touched;
  }
  EXPECT_EQ(touched, 1024);
  EXPECT_EQ(reply, "!ENOSPC");
  EXPECT_EQ(guest_.Read("data/0", tx), "!ENOENT") << "what was touched before still works";
  EXPECT_EQ(guest_.Write("data/x/y", "", tx), "!ENOSPC");
  EXPECT_EQ(guest_.Read("data/x", tx), "!ENOSPC");
  EXPECT_EQ(guest_.End(tx), "OK");
  EXPECT_EQ(guest_.Directory("data"), "") << "nothing by halves";
}

TEST_F(TransactionTest, TheNodeQuotaHoldsInsideAndAcrossTransactions) {
  uint64_t room = 1000 - AccountOf(5).nodes;
  uint32_t one = guest_.Start();
  uint32_t two = guest_.Start();
  for (uint64_t i = 0; i < room; ++i) {
    ASSERT_EQ(guest_.Mkdir("data/one" + std::to_string(i), one), "OK");
    ASSERT_EQ(guest_.Mkdir("data/two" + std::to_string(i), two), "OK");
  }
  EXPECT_EQ(guest_.Mkdir("data/more", one), "!ENOSPC");
  EXPECT_EQ(guest_.Rm("data/one0", one), "OK");
  EXPECT_EQ(guest_.Mkdir("data/more", one), "OK") << "a removed one makes room";
  EXPECT_EQ(guest_.End(one), "OK");
  EXPECT_EQ(AccountOf(5).nodes, 1000u);
  EXPECT_EQ(guest_.End(two), "!ENOSPC");
  EXPECT_EQ(AccountOf(5).nodes, 1000u);
}

TEST_F(TransactionTest, MemoryOfTransactionsIsCharged) {
  Account before = AccountOf(5);
  uint32_t tx = guest_.Start();
  uint64_t started = AccountOf(5).memory;
  EXPECT_GT(started, before.memory);
  EXPECT_EQ(guest_.Write("data/a", std::string(2000, 'x'), tx), "OK");
  EXPECT_GT(AccountOf(5).memory, started + 2000);
  for (int i = 0; i < 100; ++i) guest_.Write("data/a", std::string(2000, 'x'), tx);
  EXPECT_LT(AccountOf(5).memory, started + 8000) << "the same node again costs nothing";
  uint64_t written = AccountOf(5).memory;
  EXPECT_EQ(guest_.Read("data/" + std::string(1500, 'n'), tx), "!ENOENT");
  EXPECT_GT(AccountOf(5).memory, written + 1500) << "that it was touched must be kept";
  EXPECT_EQ(guest_.End(tx, false), "OK");
  EXPECT_EQ(AccountOf(5), before);
}

// A service whose transactions are disturbed gets its turn: see transaction.h.
class HoldTest : public TransactionTest {
 protected:
  HoldTest() : TransactionTest(Options()) {
    tool_.Write("/shared", "");
    tool_.SetPerms("/shared", {"n0", "b5", "b6"});
  }
  static ServerOptions Options() {
    ServerOptions options;
    options.hold_ns = 1000;
    return options;
  }
  bool Held(const Client& client) { return !server_.MayRead(client.connection()); }
  // One attempt of the toolstack, disturbed by a guest that is not held.
  std::string Attempt(std::initializer_list<Client*> rivals) {
    uint32_t tx = tool_.Start();
    tool_.Read("/shared", tx);
    for (Client* rival : rivals) {
      if (!Held(*rival)) {
        EXPECT_EQ(rival->Write("/shared", "x"), "OK");
      }
    }
    tool_.Write("/shared", "tool", tx);
    return tool_.End(tx);
  }
};

TEST_F(HoldTest, AServiceCommitsAfterAtMostOneAttemptPerGuest) {
  EXPECT_EQ(Attempt({&guest_, &other_}), "!EAGAIN");
  EXPECT_FALSE(Held(guest_)) << "not between two attempts";
  EXPECT_EQ(Attempt({&guest_, &other_}), "!EAGAIN") << "the other one";
  EXPECT_EQ(Attempt({&guest_, &other_}), "OK");
  EXPECT_FALSE(Held(guest_));
  EXPECT_FALSE(Held(other_));
  EXPECT_TRUE(host_.woken.contains(guest_.connection()));
  EXPECT_EQ(Attempt({&guest_}), "!EAGAIN") << "success ends the matter";
}

TEST_F(HoldTest, OnlyTheRivalsAreHeldAndOnlyDuringTheAttempt) {
  EXPECT_EQ(Attempt({&guest_}), "!EAGAIN");
  uint32_t tx = tool_.Start();
  EXPECT_TRUE(Held(guest_));
  EXPECT_FALSE(Held(other_));
  EXPECT_EQ(tool_.End(tx, false), "OK");
  EXPECT_FALSE(Held(guest_));
}

TEST_F(HoldTest, AHoldEndsAfterItsTime) {
  server_.AdvanceTime(500);
  EXPECT_EQ(Attempt({&guest_}), "!EAGAIN");
  uint32_t tx = tool_.Start();
  host_.woken.clear();
  server_.AdvanceTime(1499);
  EXPECT_TRUE(Held(guest_));
  server_.AdvanceTime(1500);
  EXPECT_FALSE(Held(guest_));
  EXPECT_TRUE(host_.woken.contains(guest_.connection()));
  EXPECT_EQ(tool_.End(tx), "OK");
}

TEST_F(HoldTest, AHoldEndsWithItsService) {
  Client service = AddService(kBackendDomId);
  tool_.SetPerms("/shared", {"n0", "b5", "b32751"});
  uint32_t tx = service.Start();
  EXPECT_EQ(service.Write("/shared", "1", tx), "OK");
  EXPECT_EQ(guest_.Write("/shared", "2"), "OK");
  EXPECT_EQ(service.End(tx), "!EAGAIN");
  EXPECT_NE(service.Start(), 0u);
  EXPECT_TRUE(Held(guest_));
  server_.CloseService(service.connection());
  EXPECT_FALSE(Held(guest_));
}

TEST_F(HoldTest, GuestsHoldNobody) {
  uint32_t tx = guest_.Start();
  guest_.Write("/shared", "1", tx);
  other_.Write("/shared", "2");
  EXPECT_EQ(guest_.End(tx), "!EAGAIN");
  guest_.Start();
  EXPECT_FALSE(Held(other_));
}

TEST_F(HoldTest, ARemovedNodesRivalIsFound) {
  uint32_t tx = tool_.Start();
  tool_.Write("/local/domain/5/data/x", "", tx);
  guest_.Write("data/x", "");
  EXPECT_EQ(tool_.End(tx), "!EAGAIN");
  tx = tool_.Start();
  EXPECT_TRUE(Held(guest_));
  EXPECT_EQ(tool_.End(tx, false), "OK");
  tx = tool_.Start();
  tool_.Read("/local/domain/5/data/x", tx);
  guest_.Rm("data/x");
  EXPECT_EQ(tool_.End(tx), "!EAGAIN");
  EXPECT_NE(tool_.Start(), 0u);
  EXPECT_TRUE(Held(guest_));
}

TEST_F(TransactionTest, AnOldSnapshotIsGivenUpBeforeItCostsTooMuch) {
  guest_.Write("data/a", "old");
  uint32_t old = guest_.Start();
  uint32_t safe = tool_.Start();
  tool_.Read("/local/domain/5/data/a", safe);
  // Each snapshot that the other guest takes makes its next write copy a node.
  uint64_t retired = server_.store().retired_bytes();
  int rounds = 0;
  for (; server_.store().retired_bytes() - retired < kSnapshotLimit * 5 / 4; ++rounds) {
    ASSERT_EQ(other_.Write("data/x", std::string(2000, 'x')), "OK");
    uint32_t tx = other_.Start();
    ASSERT_EQ(other_.Write("data/x", "1"), "OK");
    ASSERT_EQ(other_.End(tx, false), "OK");
  }
  EXPECT_GT(rounds, 500);
  EXPECT_EQ(guest_.Read("data/a", old), "old") << "it goes on";
  EXPECT_EQ(guest_.Write("data/a", "new", old), "OK");
  EXPECT_EQ(guest_.Read("data/a", old), "new");
  EXPECT_EQ(guest_.End(old), "!EAGAIN") << "but can not commit";
  EXPECT_EQ(guest_.Read("data/a"), "old");
  EXPECT_EQ(tool_.End(safe), "OK") << "the privileged keep theirs";
}

TEST_F(TransactionTest, WhatIsRemovedCountsAsKeptByOldSnapshots) {
  uint32_t old = guest_.Start();
  guest_.Read("data", old);
  uint32_t young = 0;
  for (int round = 0; round < 4; ++round) {
    if (round == 3) young = guest_.Start();
    for (int i = 0; i < 800; ++i) {
      ASSERT_EQ(other_.Write("data/x" + std::to_string(i), std::string(2000, 'x')), "OK");
    }
    for (int i = 0; i < 800; ++i) other_.Rm("data/x" + std::to_string(i));
  }
  guest_.Read("data", young);
  EXPECT_EQ(guest_.End(old), "!EAGAIN");
  EXPECT_EQ(guest_.End(young), "OK");
}

}  // namespace
}  // namespace pyrene::xenstore
