// SPDX-License-Identifier: Apache-2.0
//
// The XenStore topics of ABI 11.3, each as a test. A number in a name is the one that the list
// there gives the topic; 326 and 414 to 421 stand for a group of topics. What concerns ring bytes
// (155) is in xenstore_ring_test.cc.
#include <gtest/gtest.h>

#include <random>

#include "services/xenstore/path.h"
#include "services/xenstore/xs_ring.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

using Lines = std::vector<std::string>;
using enum MessageType;

class AdvisoryTest : public StoreTest {
 protected:
  AdvisoryTest() : guest_(AddGuest(5)), other_(AddGuest(6)) {}

  // All memory that the store keeps for its domains.
  uint64_t TotalMemory() {
    uint64_t total = 0;
    for (const auto& [domid, account] : server_.store().accounts()) total += account.memory;
    return total;
  }

  Client guest_;
  Client other_;
};

TEST_F(AdvisoryTest, Xsa115_WatchesDoNotTellWhatCanNotBeRead) {
  EXPECT_EQ(other_.Watch("/", "root"), "OK");
  EXPECT_EQ(other_.Watch("/local/domain/5", "home"), "OK");
  EXPECT_EQ(other_.Watch("/local/domain/5/data/secret", "exact"), "OK");
  EXPECT_EQ(other_.Watch("@introduceDomain", "i"), "!EACCES");
  EXPECT_EQ(other_.Watch("@releaseDomain", "r"), "!EACCES");
  other_.Events();
  guest_.Write("data/secret", "1");
  guest_.SetPerms("data/secret", {"n5"});
  uint32_t tx = guest_.Start();
  guest_.Write("data/secret/below", "2", tx);
  EXPECT_EQ(guest_.End(tx), "OK");
  guest_.Rm("data/secret");
  tool_.Write("/local/domain/7/name", "x");
  tool_.Write("/vm/uuid", "x");
  EXPECT_EQ(other_.Events(), Lines{});
}

TEST_F(AdvisoryTest, Xsa322_AReusedDomidInheritsNothing) {
  other_.Write("data/x", "secret");
  other_.SetPerms("data/x", {"n6", "b5"});
  guest_.Write("data/mine", "1");
  EXPECT_EQ(guest_.Watch("data", "t"), "OK");
  uint32_t tx = guest_.Start();
  EXPECT_EQ(guest_.Read("/local/domain/6/data/x"), "secret");
  EXPECT_EQ(server_.Release(5), Error::kOk);
  // Given while nobody has the id, so to nobody.
  EXPECT_EQ(other_.SetPerms("data/x", {"n6", "b5"}), "OK");

  Client next = AddGuest(5);
  EXPECT_EQ(next.Read("/local/domain/6/data/x"), "!EACCES");
  EXPECT_EQ(next.Write("/local/domain/6/data/x", "1"), "!EACCES");
  EXPECT_EQ(next.Read("data/mine"), "!ENOENT");
  EXPECT_EQ(next.Events(), Lines{});
  EXPECT_EQ(next.End(tx), "!ENOENT");
  EXPECT_EQ(other_.GetPerms("data/x"), "n6");
}

TEST_F(AdvisoryTest, Xsa323_PathsOfEveryLength) {
  for (size_t length = 1; length <= 4000;
       length += length < 1900 || (length > 2100 && length < 3000) ? 97 : 1) {
    std::string relative(length, 'a');
    std::string absolute = "/local/domain/5/" + relative;
    EXPECT_EQ(guest_.Read(relative), length <= 2048 ? "!ENOENT" : "!EINVAL");
    EXPECT_EQ(guest_.Read(absolute), absolute.size() <= 3072 ? "!ENOENT" : "!EINVAL");
    EXPECT_EQ(guest_.Mkdir("/" + relative), length < 3072 ? "!EACCES" : "!EINVAL");
  }
  std::string longest = "/local/domain/5/data/";
  longest += std::string(kMaxAbsolutePath - longest.size(), 'n');
  EXPECT_EQ(guest_.Write(longest, "v"), "OK");
  EXPECT_EQ(guest_.Read(longest), "v");
  EXPECT_EQ(guest_.Do(kDirectory, Payload({"data"})).size(), kMaxAbsolutePath - 20);
}

TEST_F(AdvisoryTest, Xsa324_EveryEventFitsIntoAMessage) {
  std::string path = "/local/domain/5/data/";
  path += std::string(kMaxAbsolutePath - path.size(), 'n');
  std::string token(kMaxToken, 't');
  EXPECT_EQ(guest_.Watch("/", token), "OK");
  EXPECT_EQ(guest_.Watch(path, token), "OK");
  EXPECT_EQ(guest_.Watch("/", token + "t"), "!EINVAL");
  EXPECT_EQ(guest_.Write(path, "v"), "OK");
  for (const OutQueue::Message& message : server_.Output(guest_.connection())->messages()) {
    EXPECT_LE(message.wire.size(), kHeaderSize + kMaxPayload);
  }
  EXPECT_TRUE(guest_.Events() == (Lines{"/ " + token, path + " " + token}));
}

TEST_F(AdvisoryTest, Xsa325_AGuestCanNotDisturbTheCleanUpOfAnother) {
  // It watches, holds transactions over and has nodes in what the toolstack removes.
  tool_.SetPerms("/local/domain/6", {"n0", "r6", "b5"});
  EXPECT_EQ(guest_.Write("/local/domain/6/intruder/deep", "x"), "OK");
  EXPECT_EQ(guest_.SetPerms("/local/domain/6/intruder", {"n5"}), "OK");
  EXPECT_EQ(guest_.Watch("/local/domain/6", "t"), "OK");
  uint32_t tx = guest_.Start();
  EXPECT_EQ(guest_.Write("/local/domain/6/intruder/again", "x", tx), "OK");
  tool_.Watch("@releaseDomain", "r");
  tool_.Events();
  EXPECT_EQ(server_.ShutDown(6), Error::kOk);
  EXPECT_EQ(tool_.Rm("/local/domain/6"), "OK");
  EXPECT_EQ(tool_.Do(kRelease, Payload({"6"})), "OK");
  EXPECT_EQ(tool_.Events(), Lines{"@releaseDomain r"});
  EXPECT_EQ(guest_.End(tx), "!EAGAIN");
  EXPECT_EQ(guest_.Write("/local/domain/6/intruder/again", "x"), "!EACCES");
  EXPECT_EQ(tool_.Read("/local/domain/6"), "!ENOENT");
}

TEST_F(AdvisoryTest, Xsa352_OwnershipIsTheToolstacksToChange) {
  guest_.Mkdir("data/x");
  EXPECT_EQ(guest_.SetPerms("data/x", {"n6"}), "!EPERM");
  EXPECT_EQ(guest_.SetPerms("data/x", {"n0"}), "!EPERM");
  uint32_t tx = guest_.Start();
  EXPECT_EQ(guest_.SetPerms("data/x", {"n6"}, tx), "!EPERM");
  EXPECT_EQ(guest_.End(tx), "OK");
  Account five = AccountOf(5);
  Account six = AccountOf(6);
  EXPECT_EQ(tool_.SetPerms("/local/domain/5/data/x", {"n6"}), "OK");
  EXPECT_EQ(AccountOf(5).nodes, five.nodes - 1);
  EXPECT_EQ(AccountOf(6).nodes, six.nodes + 1);
  EXPECT_EQ(AccountOf(5).memory + AccountOf(6).memory, five.memory + six.memory);
  EXPECT_EQ(guest_.Write("data/x", "1"), "!EACCES");
  EXPECT_EQ(other_.Write("/local/domain/5/data/x", "1"), "OK");
}

TEST_F(AdvisoryTest, Xsa353_TheRootBelongsToTheToolstack) {
  EXPECT_EQ(guest_.SetPerms("/", {"n5"}), "!EACCES");
  EXPECT_EQ(guest_.Write("/", "x"), "!EACCES");
  EXPECT_EQ(guest_.Mkdir("/x"), "!EACCES");
  EXPECT_EQ(guest_.Rm("/"), "!EINVAL");
  EXPECT_EQ(tool_.SetPerms("/", {"n0", "r5"}), "OK");
  EXPECT_EQ(guest_.SetPerms("/", {"n5"}), "!EACCES");
  EXPECT_EQ(guest_.SetPerms("/", {"n0", "b5"}), "!EACCES");
  EXPECT_EQ(guest_.Mkdir("/x"), "!EACCES");
  // A transaction that other changes run beside does not bring older permissions back.
  uint32_t tx = guest_.Start();
  guest_.Write("data/x", "1", tx);
  EXPECT_EQ(tool_.SetPerms("/", {"n0"}), "OK");
  EXPECT_EQ(guest_.End(tx), "OK");
  EXPECT_EQ(tool_.GetPerms("/"), "n0");
}

TEST_F(AdvisoryTest, Xsa326_414To421_UnreadEventsAreBounded) {
  for (int i = 0; i < 120; ++i) ASSERT_EQ(guest_.Watch("data", "t" + std::to_string(i)), "OK");
  for (int i = 0; i < 900; ++i) ASSERT_EQ(guest_.Mkdir("data/n" + std::to_string(i)), "OK");
  const OutQueue* output = server_.Output(guest_.connection());
  EXPECT_LT(output->bytes(), server_.QuotaOf(5).events + 1000);
  EXPECT_LE(AccountOf(5).memory, server_.QuotaOf(5).memory);
}

TEST_F(AdvisoryTest, Xsa326_414To421_AllThatAGuestCanTakeIsBounded) {
  // Whatever it fills first: nodes, watches, or transactions with all that they can touch.
  guest_.SetPerms("data", {"b5"});
  for (std::string what : {"nodes", "watches", "transactions"}) {
    std::string value(2000, 'v');
    std::string padding(1500, 'p');
    int refused = 0;
    std::vector<uint32_t> open;
    for (int i = 0; i < 20'000 && refused < 1000; ++i) {
      std::string name = "data/" + padding + std::to_string(i);
      std::string reply = "OK";
      if (what == "nodes") {
        reply = guest_.Write(name, value);
      } else if (what == "watches") {
        reply = guest_.Watch(name, padding.substr(0, 1000));
      } else {
        if (i % 500 == 0) {
          if (uint32_t tx = guest_.Start(); tx != 0) open.push_back(tx);
        }
        reply =
            i % 3 != 0 ? guest_.Read(name, open.back()) : guest_.Write(name, value, open.back());
      }
      refused += reply == "!ENOSPC";
      ASSERT_LE(AccountOf(5).memory, server_.QuotaOf(5).memory + 64 * 1024) << what;
    }
    EXPECT_GE(refused, 1000) << what;
    // And it can give all of it back, however full it is.
    for (uint32_t tx : open) EXPECT_EQ(guest_.End(tx, false), "OK");
    EXPECT_EQ(guest_.Do(kResetWatches, Payload({""})), "OK");
    EXPECT_EQ(guest_.Rm("data"), "OK");
    guest_.Events();
    EXPECT_EQ(AccountOf(5), Account()) << what;
    tool_.Mkdir("/local/domain/5/data");
    tool_.SetPerms("/local/domain/5/data", {"n5"});
  }
}

TEST_F(AdvisoryTest, Xsa326_414To421_SnapshotsOfManyTransactionsShareTheirMemory) {
  std::vector<std::pair<Client, uint32_t>> open;
  uint64_t before = server_.store().tree().copied_bytes();
  for (DomId domid = 10; domid < 60; ++domid) {
    Client guest = AddGuest(domid);
    for (int i = 0; i < 10; ++i) open.emplace_back(guest, guest.Start());
  }
  uint64_t per_guest = (server_.store().tree().copied_bytes() - before) / 50;
  EXPECT_LT(per_guest, 64u * 1024) << "500 open transactions do not copy the tree 500 times";
  for (auto& [guest, tx] : open) EXPECT_EQ(guest.End(tx), "OK");
}

TEST_F(AdvisoryTest, Xsa326_414To421_NodesWithoutAnOwnerOrParentDoNotStay) {
  tool_.Write("/shared", "");
  tool_.SetPerms("/shared", {"n0", "b5", "b6"});
  // A node below a node of another guest; then the upper one's owner dies.
  EXPECT_EQ(guest_.Write("/shared/a", ""), "OK");
  EXPECT_EQ(guest_.SetPerms("/shared/a", {"n5", "b6"}), "OK");
  EXPECT_EQ(other_.Write("/shared/a/b/c", ""), "OK");
  uint64_t nodes = AccountOf(6).nodes;
  EXPECT_EQ(server_.Release(5), Error::kOk);
  EXPECT_EQ(tool_.Directory("/shared"), "");
  EXPECT_EQ(AccountOf(6).nodes, nodes - 2);
  // In a transaction, a parent that goes meanwhile.
  EXPECT_EQ(tool_.Write("/shared/p", ""), "OK");
  uint32_t tx = other_.Start();
  EXPECT_EQ(other_.Write("/shared/p/q", "", tx), "OK");
  EXPECT_EQ(tool_.Rm("/shared/p"), "OK");
  EXPECT_EQ(other_.End(tx), "!EAGAIN");
  EXPECT_EQ(tool_.Directory("/shared"), "");
}

TEST_F(AdvisoryTest, Xsa326_414To421_NodesOfDeadDomainsAreGone) {
  guest_.Write("data/x", "1");
  tool_.Write("/local/domain/5/device/vbd/51712/state", "1");
  tool_.SetPerms("/local/domain/5/device/vbd/51712", {"n5", "r6"});
  EXPECT_EQ(server_.Release(5), Error::kOk);
  EXPECT_EQ(other_.Read("/local/domain/5/device/vbd/51712/state"), "!EACCES");
  EXPECT_EQ(tool_.Read("/local/domain/5/data"), "!ENOENT");
  EXPECT_EQ(tool_.Read("/local/domain/5/device/vbd/51712"), "!ENOENT");
}

TEST_F(AdvisoryTest, Xsa326_414To421_DepthIsBoundedAndNothingRecurses) {
  std::string path = "data";
  for (int i = 0; i < 700; ++i) path += "/d";
  EXPECT_EQ(guest_.Mkdir(path), "!ENOSPC");
  EXPECT_EQ(guest_.Read(path), "!ENOENT");
  EXPECT_EQ(guest_.Watch(path, "t"), "OK");
  EXPECT_EQ(guest_.Events().size(), 1u);
  EXPECT_EQ(guest_.Mkdir(path.substr(0, 4 + 2 * 60)), "OK") << "64 in all";
  EXPECT_EQ(guest_.Mkdir(path.substr(0, 4 + 2 * 61)), "!ENOSPC");
  // What the toolstack does is bounded by the length of a path alone.
  EXPECT_EQ(tool_.Mkdir("/local/domain/5/" + path), "OK");
  EXPECT_EQ(tool_.SetPerms("/local/domain/5/" + path, {"n5"}), "OK");
  EXPECT_EQ(guest_.Events().size(), 1u);
  EXPECT_EQ(guest_.Rm("data/d"), "OK");
  EXPECT_EQ(guest_.Events().size(), 1u);
}

TEST_F(AdvisoryTest, Xsa326_414To421_CooperatingGuestsHaveNoMoreNodesThanEachAlone) {
  guest_.SetPerms("data", {"b5", "b6"});
  int made = 0;
  for (int i = 0; i < 3000; ++i) {
    Client& one = i % 2 == 0 ? guest_ : other_;
    made += one.Mkdir("/local/domain/5/data/n" + std::to_string(i)) == "OK";
  }
  EXPECT_EQ(AccountOf(5).nodes, 1000u);
  EXPECT_EQ(AccountOf(6).nodes, 1000u);
  EXPECT_EQ(made, 2000 - 2) << "each has its data directory already";
}

TEST_F(AdvisoryTest, Xsa326_414To421_TransactionsCreateNoMoreNodesThanTheQuota) {
  std::vector<uint32_t> open;
  for (int i = 0; i < 10; ++i) {
    open.push_back(guest_.Start());
    for (int k = 0; k < 900; ++k) {
      std::string name = "data/t" + std::to_string(i) + "n" + std::to_string(k);
      if (guest_.Mkdir(name, open.back()) != "OK") break;
    }
  }
  for (uint32_t tx : open) guest_.End(tx);
  EXPECT_LE(AccountOf(5).nodes, 1000u);
}

TEST_F(AdvisoryTest, Xsa349_FloodingAWatchedPath) {
  // A back-end that watches a front-end's directory and is slow to listen.
  Client backend = AddService(kBackendDomId);
  guest_.SetPerms("data", {"n5", "r32751"});
  EXPECT_EQ(backend.Watch("/local/domain/5/data", "fe"), "OK");
  EXPECT_EQ(backend.Watch("/local/domain/6/data", "other"), "OK");
  other_.SetPerms("data", {"n6", "r32751"});
  backend.Events();
  std::string name(2000, 'x');
  for (int i = 0; i < 20'000; ++i) {
    std::string path = "data/" + name + std::to_string(i % 900);
    ASSERT_EQ(i % 1800 < 900 ? guest_.Mkdir(path) : guest_.Rm(path), "OK") << i;
  }
  EXPECT_LT(server_.Output(backend.connection())->bytes(), (1u << 20) + 4096);
  EXPECT_EQ(other_.Write("data/state", "1"), "OK");
  Lines events = backend.Events();
  EXPECT_TRUE(std::find(events.begin(), events.end(), "/local/domain/6/data other") != events.end())
      << "the other guest is heard";
}

TEST_F(AdvisoryTest, Xsa272_330_QuotasApplyAndResetLeaksNothing) {
  int nodes = 0;
  while (guest_.Mkdir("data/n" + std::to_string(nodes)) == "OK") ASSERT_LT(++nodes, 2000);
  EXPECT_EQ(AccountOf(5).nodes, 1000u);
  Account before = AccountOf(5);
  for (int round = 0; round < 50; ++round) {
    int watches = 0;
    while (guest_.Watch("data", std::to_string(watches)) == "OK") ASSERT_LT(++watches, 200);
    EXPECT_EQ(watches, 128);
    int transactions = 0;
    while (guest_.Start() != 0) ASSERT_LT(++transactions, 20);
    EXPECT_EQ(transactions, 10);
    guest_.Events();
    EXPECT_EQ(guest_.Do(kResetWatches, Payload({""})), "OK");
    EXPECT_EQ(AccountOf(5), before);
  }
}

TEST_F(AdvisoryTest, Xsa233_425_ReleaseAndRestartInAnyOrder) {
  guest_.Watch("data", "t");
  guest_.Start();
  EXPECT_EQ(tool_.Do(kIntroduce, Payload({"5", "1", "1"})), "OK");
  EXPECT_EQ(tool_.Do(kIntroduce, Payload({"5", "2", "2"})), "OK");
  EXPECT_EQ(tool_.Do(kResume, Payload({"5"})), "OK");
  guest_.Watch("data", "t");
  EXPECT_EQ(tool_.Do(kRelease, Payload({"5"})), "OK");
  EXPECT_EQ(tool_.Do(kRelease, Payload({"5"})), "!ENOENT");
  EXPECT_EQ(tool_.Do(kResume, Payload({"5"})), "!ENOENT");
  EXPECT_EQ(guest_.Read("data"), "!EIO");
  EXPECT_EQ(guest_.Events(), Lines{});
  server_.Reset(guest_.connection());
  EXPECT_FALSE(server_.MayRead(guest_.connection()));
  server_.HandleRingRequest(guest_.connection(), Header{}, "", RingState());
  guest_ = AddGuest(5);
  EXPECT_EQ(guest_.Read("name"), "guest");
}

TEST_F(AdvisoryTest, Xsa440_AConflictLeavesTheBooksAsTheyWere) {
  for (int i = 0; i < 20; ++i) guest_.Write("data/n" + std::to_string(i), "v");
  for (int round = 0; round < 100; ++round) {
    Account before = AccountOf(5);
    uint32_t tx = guest_.Start();
    guest_.Rm("data/n" + std::to_string(round % 20), tx);
    guest_.Rm("data/n" + std::to_string((round + 1) % 20), tx);
    guest_.Write("data/new", "v", tx);
    tool_.Write("/local/domain/5/data/n" + std::to_string(round % 20), "v");
    EXPECT_EQ(guest_.End(tx), "!EAGAIN");
    EXPECT_EQ(AccountOf(5), before);
  }
  // Both remove the same: it is counted once.
  uint32_t tx = guest_.Start();
  guest_.Rm("data", tx);
  tool_.Rm("/local/domain/5/data");
  EXPECT_EQ(guest_.End(tx), "!EAGAIN");
  EXPECT_EQ(AccountOf(5), Account());
}

TEST_F(AdvisoryTest, Xsa481_ATrailingSlash) {
  for (std::string_view path :
       {"/local/domain/", "/local/domain//", "local/", "/local/domain/5/", "//"}) {
    EXPECT_EQ(guest_.Read(path), "!EINVAL");
    EXPECT_EQ(guest_.Write(path, "x"), "!EINVAL");
    EXPECT_EQ(guest_.Rm(path), "!EINVAL");
    EXPECT_EQ(guest_.Watch(path, "t"), "!EINVAL");
    EXPECT_EQ(guest_.SetPerms(path, {"n5"}), "!EINVAL");
    EXPECT_EQ(tool_.Mkdir(path), "!EINVAL");
  }
}

TEST_F(AdvisoryTest, Xsa483_AReusedDomidBeginsWithEmptyBooks) {
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 900; ++i) guest_.Mkdir("data/n" + std::to_string(i));
    for (int i = 0; i < 128; ++i) ASSERT_EQ(guest_.Watch("data", std::to_string(i)), "OK");
    for (int i = 0; i < 10; ++i) ASSERT_NE(guest_.Start(), 0u);
    EXPECT_EQ(server_.Release(5), Error::kOk);
    EXPECT_EQ(AccountOf(5), Account());
    ASSERT_EQ(server_.CheckAccounts(), absl::OkStatus());
    guest_ = AddGuest(5);
    EXPECT_EQ(AccountOf(5).nodes, 1u);
  }
}

TEST_F(AdvisoryTest, AThousandGuestsLeaveNothingBehind) {
  // More than there are domids below 1000 in use: each takes what it can and dies.
  std::mt19937 random(3);
  uint64_t memory = TotalMemory();
  for (int round = 0; round < 1000; ++round) {
    DomId domid = static_cast<DomId>(10 + random() % 5);
    Client guest = AddGuest(domid);
    for (uint32_t i = random() % 20; i > 0; --i) guest.Write("data/" + std::to_string(i), "v");
    guest.Watch("data", "t");
    uint32_t tx = guest.Start();
    guest.Write("data/x", "v", tx);
    EXPECT_EQ(server_.Release(domid), Error::kOk);
    EXPECT_EQ(tool_.Rm("/local/domain/" + std::to_string(domid)), "OK");
    ASSERT_EQ(TotalMemory(), memory);
  }
}

}  // namespace
}  // namespace pyrene::xenstore
