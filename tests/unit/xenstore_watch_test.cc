// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "services/xenstore/path.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

using Lines = std::vector<std::string>;

class WatchTest : public StoreTest {
 protected:
  WatchTest() : guest_(AddGuest(5)), other_(AddGuest(6)) {}

  // Watches and takes the first event.
  void Watch(Client* client, std::string_view path, std::string_view token) {
    ASSERT_EQ(client->Watch(path, token), "OK");
    ASSERT_EQ(client->Event(), std::string(path) + " " + std::string(token));
  }

  Client guest_;
  Client other_;
};

TEST_F(WatchTest, TheFirstEventComesAtOnceWhateverThePathIs) {
  EXPECT_EQ(guest_.Watch("device", "t"), "OK");
  EXPECT_EQ(guest_.Events(), Lines{"device t"}) << "does not exist";
  EXPECT_EQ(guest_.Watch("/tool", "t"), "OK");
  EXPECT_EQ(guest_.Events(), Lines{"/tool t"}) << "is not readable";
}

TEST_F(WatchTest, MalformedRequests) {
  using enum MessageType;
  for (MessageType type : {kWatch, kUnwatch}) {
    EXPECT_EQ(guest_.Do(type, ""), "!EINVAL");
    EXPECT_EQ(guest_.Do(type, Payload({"data"})), "!EINVAL");
    EXPECT_EQ(guest_.Do(type, Payload({"data"}) + "t"), "!EINVAL");
    EXPECT_EQ(guest_.Do(type, Payload({"", "t"})), "!EINVAL");
    EXPECT_EQ(guest_.Do(type, Payload({"/local/", "t"})), "!EINVAL");
    EXPECT_EQ(guest_.Do(type, Payload({"@x", "t"})), "!EINVAL");
    EXPECT_EQ(guest_.Do(type, Payload({"data", "t", "1", "1"})), "!EINVAL");
  }
  EXPECT_EQ(guest_.Watch("data", "t", "x"), "!EINVAL");
  EXPECT_EQ(guest_.Watch("data", "t", ""), "!EINVAL");
  EXPECT_EQ(guest_.Unwatch("data", "t"), "!ENOENT");
  EXPECT_EQ(guest_.Watch("data", std::string(kMaxToken + 1, 't')), "!EINVAL");
  EXPECT_EQ(guest_.Watch("data", std::string(kMaxToken, 't')), "OK");
  EXPECT_EQ(guest_.Watch("data", ""), "OK") << "a token may be empty";
}

TEST_F(WatchTest, TheSamePathAndTokenOnce) {
  Watch(&guest_, "data", "t");
  EXPECT_EQ(guest_.Watch("data", "t"), "!EEXIST");
  EXPECT_EQ(guest_.Watch("/local/domain/5/data", "t"), "!EEXIST") << "the same path";
  EXPECT_EQ(guest_.Watch("data", "u"), "OK");
  EXPECT_EQ(other_.Watch("/local/domain/5/data", "t"), "OK") << "another connection";
  EXPECT_EQ(guest_.Unwatch("/local/domain/5/data", "t"), "OK");
  EXPECT_EQ(guest_.Unwatch("data", "t"), "!ENOENT");
}

TEST_F(WatchTest, EventsForTheNodeAndAllBelow) {
  Watch(&guest_, "data", "t");
  tool_.Write("/local/domain/5/data", "x");
  EXPECT_EQ(guest_.Events(), Lines{"data t"});
  guest_.Write("data/a/b", "x");
  EXPECT_EQ(guest_.Events(), Lines{"data/a/b t"}) << "one event, not one for each new parent";
  guest_.Mkdir("data/c");
  guest_.Mkdir("data/c");
  EXPECT_EQ(guest_.Events(), Lines{"data/c t"}) << "nothing happened the second time";
  guest_.SetPerms("data/c", {"r5"});
  EXPECT_EQ(guest_.Events(), Lines{"data/c t"});
  tool_.Write("/local/domain/5/name", "x");
  tool_.Mkdir("/local/domain/5/data-b");
  EXPECT_EQ(guest_.Events(), Lines{});
}

TEST_F(WatchTest, TheSameValueAgainIsAnEventToo) {
  guest_.Write("data/state", "4");
  Watch(&guest_, "data/state", "t");
  guest_.Write("data/state", "4");
  EXPECT_EQ(guest_.Events(), Lines{"data/state t"});
}

TEST_F(WatchTest, EventPathsAreRelativeIfTheWatchWas) {
  Watch(&guest_, "data", "rel");
  Watch(&guest_, "/local/domain/5/data", "abs");
  guest_.Write("data/a", "");
  Lines events = guest_.Events();
  std::sort(events.begin(), events.end());
  EXPECT_EQ(events, (Lines{"/local/domain/5/data/a abs", "data/a rel"}));
}

TEST_F(WatchTest, NothingAfterUnwatch) {
  Watch(&guest_, "data", "t");
  EXPECT_EQ(guest_.Unwatch("data", "t"), "OK");
  guest_.Write("data/a", "");
  EXPECT_EQ(guest_.Events(), Lines{});
}

TEST_F(WatchTest, WatchesOnTheRootAndAbove) {
  Watch(&tool_, "/", "root");
  Watch(&tool_, "/local/domain/5", "home");
  guest_.Write("data/a", "");
  EXPECT_EQ(tool_.Events(), (Lines{"/local/domain/5/data/a root", "/local/domain/5/data/a home"}));
  tool_.Write("/", "x");
  EXPECT_EQ(tool_.Events(), Lines{"/ root"});
}

TEST_F(WatchTest, DepthLimitsHowFarBelow) {
  ASSERT_EQ(guest_.Watch("data", "d0", "0"), "OK");
  ASSERT_EQ(guest_.Watch("data", "d1", "1"), "OK");
  ASSERT_EQ(guest_.Watch("data", "d9", "99999999999"), "OK");
  EXPECT_EQ(guest_.Events(), (Lines{"data d0", "data d1", "data d9"}));
  tool_.Write("/local/domain/5/data", "x");
  EXPECT_EQ(guest_.Events(), (Lines{"data d0", "data d1", "data d9"}));
  guest_.Write("data/a", "x");
  EXPECT_EQ(guest_.Events(), (Lines{"data/a d1", "data/a d9"}));
  guest_.Write("data/a/b", "x");
  EXPECT_EQ(guest_.Events(), Lines{"data/a/b d9"});
  ASSERT_EQ(tool_.Watch("/", "root", "1"), "OK");
  EXPECT_EQ(tool_.Events(), Lines{"/ root"});
  tool_.Write("/tool", "");
  tool_.Write("/tool/x", "");
  EXPECT_EQ(tool_.Events(), Lines{"/tool root"});
}

TEST_F(WatchTest, RmTellsWatchersAboveAndThoseOfExactlyARemovedNode) {
  guest_.Write("data/a/b/c", "");
  guest_.Write("data/a/d", "");
  Watch(&guest_, "data", "above");
  Watch(&guest_, "data/a", "self");
  Watch(&guest_, "data/a/b", "below");
  Watch(&guest_, "data/a/b/c", "deeper");
  Watch(&guest_, "data/a/x", "missing");
  guest_.Rm("data/a");
  EXPECT_EQ(guest_.Events(),
            (Lines{"data/a above", "data/a self", "data/a/b below", "data/a/b/c deeper"}));
  guest_.Rm("data/a");
  EXPECT_EQ(guest_.Events(), Lines{}) << "nothing was removed";
}

TEST_F(WatchTest, OnlyThoseHearOfANodeWhoMayReadItOrItsParent) {
  Watch(&other_, "/local/domain/5/data", "t");
  guest_.Write("data/secret", "1");
  EXPECT_EQ(other_.Events(), Lines{});
  guest_.Write("data/public", "1");
  guest_.SetPerms("data/public", {"n5", "r6"});
  EXPECT_EQ(other_.Events(), Lines{"/local/domain/5/data/public t"}) << "now it may";
  guest_.Write("data/public", "2");
  EXPECT_EQ(other_.Events(), Lines{"/local/domain/5/data/public t"});
  guest_.SetPerms("data/public", {"n5"});
  EXPECT_EQ(other_.Events(), Lines{"/local/domain/5/data/public t"})
      << "it loses it: the last it hears";
  guest_.Write("data/public", "3");
  guest_.Rm("data/public");
  EXPECT_EQ(other_.Events(), Lines{});
  // Who can list the parent sees its children anyway.
  guest_.SetPerms("data", {"n5", "r6"});
  other_.Events();
  guest_.Write("data/hidden", "1");
  guest_.SetPerms("data/hidden", {"n5"});
  other_.Events();
  guest_.Write("data/hidden", "2");
  EXPECT_EQ(other_.Events(), Lines{"/local/domain/5/data/hidden t"});
  guest_.Rm("data/hidden");
  EXPECT_EQ(other_.Events(), Lines{"/local/domain/5/data/hidden t"});
}

TEST_F(WatchTest, RemovalIsHiddenLikeTheNodeWas) {
  guest_.Write("data/a/secret", "1");
  guest_.Write("data/a/public", "1");
  guest_.SetPerms("data/a/public", {"n5", "r6"});
  Watch(&other_, "/local/domain/5/data/a/secret", "s");
  Watch(&other_, "/local/domain/5/data/a/public", "p");
  Watch(&other_, "/local/domain/5/data/a", "a");
  guest_.Rm("data/a");
  EXPECT_EQ(other_.Events(), Lines{"/local/domain/5/data/a/public p"});
}

TEST_F(WatchTest, AnEventThatWaitsIsNotQueuedTwice) {
  Watch(&guest_, "data", "t");
  for (int i = 0; i < 1000; ++i) guest_.Write("data/a", std::to_string(i));
  EXPECT_EQ(guest_.Events(), Lines{"data/a t"});
  guest_.Write("data/a", "again");
  EXPECT_EQ(guest_.Events(), Lines{"data/a t"}) << "after it was read there is a new one";
}

TEST_F(WatchTest, EventsKeepTheirOrder) {
  Watch(&guest_, "data", "t");
  guest_.Write("data/b", "");
  guest_.Write("data/a", "");
  guest_.Write("data/b", "");
  guest_.Write("data/c", "");
  EXPECT_EQ(guest_.Events(), (Lines{"data/b t", "data/a t", "data/c t"}));
}

TEST_F(WatchTest, TooManyWaitingEventsAreMergedIntoOnePerWatchAndNoneIsLost) {
  Watch(&guest_, "data", "t");
  Watch(&guest_, "data/quiet", "q");
  std::string name(900, 'n');
  for (int i = 0; i < 600; ++i) ASSERT_EQ(guest_.Mkdir("data/" + name + std::to_string(i)), "OK");
  uint64_t waiting = server_.Output(guest_.connection())->event_bytes();
  EXPECT_LE(waiting, server_.QuotaOf(5).events + 2000) << "bounded";
  guest_.Rm("data/" + name + "0");
  EXPECT_EQ(server_.Output(guest_.connection())->event_bytes(), waiting);

  Lines events = guest_.Events();
  ASSERT_GT(events.size(), 50u);
  EXPECT_EQ(events.back(), "data t") << "whoever could not be told each name is told to look";
  EXPECT_EQ(std::count(events.begin(), events.end(), "data t"), 1);
  EXPECT_EQ(std::count(events.begin(), events.end(), "data/quiet q"), 0);

  guest_.Write("data/after", "");
  EXPECT_EQ(guest_.Events(), Lines{"data/after t"});
}

TEST_F(WatchTest, OnlyAWatchThatMissedEventsIsTold) {
  Watch(&guest_, "data/one", "1");
  Watch(&guest_, "data/two", "2");
  std::string name(1900, 'n');
  for (std::string flooded : {"one", "two"}) {
    for (int i = 0; i < 200; ++i) {
      std::string path = "data/" + flooded;
      path += "/";
      path += name;
      path += std::to_string(i);
      ASSERT_EQ(guest_.Mkdir(path), "OK");
    }
    Lines events = guest_.Events();
    EXPECT_EQ(std::count(events.begin(), events.end(), "data/one 1"), flooded == "one");
    EXPECT_EQ(std::count(events.begin(), events.end(), "data/two 2"), flooded == "two");
  }
}

TEST_F(WatchTest, TheFirstEventSurvivesAFullQueue) {
  Watch(&guest_, "data", "t");
  std::string name(900, 'n');
  for (int i = 0; i < 300; ++i) guest_.Mkdir("data/" + name + std::to_string(i));
  ASSERT_EQ(guest_.Watch("name", "late"), "OK");
  Lines events = guest_.Events();
  EXPECT_EQ(std::count(events.begin(), events.end(), "name late"), 1);
}

TEST_F(WatchTest, SpecialWatchesBelongToThePrivileged) {
  for (std::string path : {"@introduceDomain", "@releaseDomain"}) {
    EXPECT_EQ(guest_.Watch(path, "t"), "!EACCES");
    EXPECT_EQ(tool_.Watch(path, "t"), "OK");
    EXPECT_EQ(tool_.Events(), Lines{path + " t"});
  }
  AddGuest(7);
  EXPECT_EQ(tool_.Events(), Lines{"@introduceDomain t"});
  EXPECT_EQ(server_.ShutDown(7), Error::kOk);
  EXPECT_EQ(server_.ShutDown(7), Error::kOk);
  EXPECT_EQ(tool_.Events(), Lines{"@releaseDomain t"}) << "once";
  EXPECT_EQ(server_.Release(7), Error::kOk);
  EXPECT_EQ(tool_.Events(), Lines{"@releaseDomain t"});
  EXPECT_EQ(tool_.Unwatch("@introduceDomain", "t"), "OK");
  AddGuest(7);
  EXPECT_EQ(tool_.Events(), Lines{});
}

TEST_F(WatchTest, PermissionsOfSpecialWatchesCanBeGiven) {
  Client backend = AddService(kBackendDomId);
  EXPECT_EQ(backend.Watch("@releaseDomain", "t"), "!EACCES");
  EXPECT_EQ(backend.SetPerms("@releaseDomain", {"n0", "r32751"}), "!EACCES");
  EXPECT_EQ(tool_.SetPerms("@releaseDomain", {"n0", "r32751"}), "OK");
  EXPECT_EQ(tool_.GetPerms("@releaseDomain"), "n0 r32751");
  EXPECT_EQ(guest_.GetPerms("@releaseDomain"), "!EACCES");
  EXPECT_EQ(backend.Watch("@releaseDomain", "t"), "OK");
  backend.Events();
  EXPECT_EQ(server_.Release(6), Error::kOk);
  EXPECT_EQ(backend.Events(), Lines{"@releaseDomain t"});
  EXPECT_EQ(tool_.SetPerms("@releaseDomain", {"n0"}), "OK");
  EXPECT_EQ(server_.Release(5), Error::kOk);
  EXPECT_EQ(backend.Events(), Lines{}) << "no longer";
}

TEST_F(WatchTest, ResetWatchesDropsWatchesAndTransactions) {
  Watch(&guest_, "data", "t");
  uint32_t tx = guest_.Start();
  ASSERT_NE(tx, 0u);
  Account before = AccountOf(5);
  EXPECT_EQ(before.watches, 1u);
  EXPECT_EQ(guest_.Do(MessageType::kResetWatches, std::string_view("\0", 1)), "OK");
  EXPECT_EQ(AccountOf(5).watches, 0u);
  EXPECT_EQ(AccountOf(5).transactions, 0u);
  EXPECT_EQ(guest_.End(tx), "!ENOENT");
  guest_.Write("data/a", "");
  EXPECT_EQ(guest_.Events(), Lines{});
  Watch(&guest_, "data", "t");
}

TEST_F(WatchTest, AWatcherIsWoken) {
  Watch(&guest_, "data", "t");
  host_.woken.clear();
  tool_.Write("/local/domain/5/data/x", "");
  EXPECT_TRUE(host_.woken.contains(guest_.connection()));
}

}  // namespace
}  // namespace pyrene::xenstore
