// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "services/xenstore/path.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

using Lines = std::vector<std::string>;
using enum MessageType;

class DomainTest : public StoreTest {};

TEST_F(DomainTest, IntroduceAndRelease) {
  EXPECT_EQ(tool_.Do(kIsDomainIntroduced, Payload({"5"})), Payload({"F"}));
  EXPECT_EQ(tool_.Do(kIntroduce, Payload({"5", "233473", "1"})), "OK");
  EXPECT_TRUE(host_.mapped.contains(5));
  EXPECT_EQ(server_.FindDomain(5)->gfn, 233473u);
  EXPECT_EQ(server_.FindDomain(5)->port, 1u);
  EXPECT_EQ(tool_.Do(kIsDomainIntroduced, Payload({"5"})), Payload({"T"}));
  EXPECT_EQ(tool_.Do(kRelease, Payload({"5"})), "OK");
  EXPECT_FALSE(host_.mapped.contains(5));
  EXPECT_EQ(tool_.Do(kIsDomainIntroduced, Payload({"5"})), Payload({"F"}));
  EXPECT_EQ(tool_.Do(kRelease, Payload({"5"})), "!ENOENT");
}

TEST_F(DomainTest, BadIntroductions) {
  for (std::string_view domid : {"0", "32752", "65536", "x", ""}) {
    EXPECT_EQ(tool_.Do(kIntroduce, Payload({domid, "1", "1"})), "!EINVAL") << domid;
  }
  EXPECT_EQ(tool_.Do(kIntroduce, Payload({"5", "1"})), "!EINVAL");
  EXPECT_EQ(tool_.Do(kIntroduce, Payload({"5", "x", "1"})), "!EINVAL");
  EXPECT_EQ(tool_.Do(kIntroduce, Payload({"5", "1", "0"})), "!EINVAL");
  EXPECT_EQ(tool_.Do(kIntroduce, Payload({"5", "1", "4294967296"})), "!EINVAL");
  AddService(kBackendDomId);
  EXPECT_EQ(tool_.Do(kIntroduce, Payload({"32751", "1", "1"})), "!EINVAL") << "a service's";
  EXPECT_EQ(tool_.Do(kRelease, Payload({"32751"})), "!EINVAL");
}

TEST_F(DomainTest, ARingThatCanNotBeMappedRefusesTheIntroduction) {
  tool_.Watch("@introduceDomain", "t");
  tool_.Events();
  host_.refuse = true;
  EXPECT_EQ(tool_.Do(kIntroduce, Payload({"5", "1", "1"})), "!EINVAL");
  EXPECT_EQ(server_.FindDomain(5), nullptr);
  EXPECT_EQ(tool_.Events(), Lines{});
  host_.refuse = false;
  EXPECT_EQ(tool_.Do(kIntroduce, Payload({"5", "1", "1"})), "OK");
  EXPECT_EQ(tool_.Events(), Lines{"@introduceDomain t"});
}

TEST_F(DomainTest, AGuestThatStartsAgainHasAFreshConnection) {
  Client guest = AddGuest(5);
  tool_.Watch("@introduceDomain", "t");
  tool_.Events();
  guest.Watch("data", "t");
  guest.Start();
  guest.Write("data/x", "");
  EXPECT_EQ(server_.ShutDown(5), Error::kOk);
  EXPECT_EQ(server_.Introduce(5, 0x40000, 2), Error::kOk);
  EXPECT_EQ(tool_.Events(), Lines{}) << "it was known";
  EXPECT_FALSE(server_.FindDomain(5)->shut_down);
  EXPECT_EQ(server_.FindDomain(5)->gfn, 0x40000u);
  EXPECT_EQ(AccountOf(5).watches, 0u);
  EXPECT_EQ(AccountOf(5).transactions, 0u);
  EXPECT_EQ(guest.Events(), Lines{});
  EXPECT_EQ(guest.Read("data/x"), "") << "its nodes stay";
}

TEST_F(DomainTest, ReleaseRemovesWhatTheDomainOwnsAndItsIdFromPermissions) {
  Client guest = AddGuest(5);
  Client other = AddGuest(6);
  tool_.Write("/shared", "");
  tool_.SetPerms("/shared", {"n0", "b5", "b6"});
  guest.Write("/shared/from-5/x", "");
  other.Write("/shared/from-6", "");
  other.SetPerms("/shared/from-6", {"n6", "r5", "r6"});
  guest.Write("data/y", "");
  tool_.Watch("/shared", "t");
  tool_.Watch("@releaseDomain", "r");
  tool_.Events();
  EXPECT_EQ(server_.Release(5), Error::kOk);
  EXPECT_EQ(tool_.Events(), (Lines{"/shared/from-5 t", "@releaseDomain r"}));
  EXPECT_EQ(tool_.Directory("/shared"), "from-6");
  EXPECT_EQ(tool_.GetPerms("/shared"), "n0 b6");
  EXPECT_EQ(tool_.GetPerms("/shared/from-6"), "n6 r6");
  EXPECT_EQ(tool_.GetPerms("/local/domain/5"), "n0");
  EXPECT_EQ(tool_.Read("/local/domain/5/data"), "!ENOENT");
  EXPECT_EQ(AccountOf(5), Account());
  EXPECT_FALSE(server_.store().accounts().contains(5));
}

TEST_F(DomainTest, WhatWasPreparedForADomainCanBeReleasedBeforeItsIntroduction) {
  tool_.Write("/local/domain/9/control/shutdown", "");
  tool_.SetPerms("/local/domain/9/control/shutdown", {"n9"});
  EXPECT_EQ(AccountOf(9).nodes, 1u);
  EXPECT_EQ(tool_.Do(kRelease, Payload({"9"})), "OK");
  EXPECT_EQ(tool_.Directory("/local/domain/9/control"), "");
  EXPECT_EQ(tool_.Do(kRelease, Payload({"9"})), "!ENOENT");
}

TEST_F(DomainTest, ARootThatADomainOwnsIsKept) {
  AddGuest(5);
  tool_.SetPerms("/", {"r5", "w5"});
  EXPECT_EQ(server_.Release(5), Error::kOk);
  EXPECT_EQ(tool_.GetPerms("/"), "r0");
  EXPECT_EQ(tool_.Directory("/"), "local tool");
}

TEST_F(DomainTest, ACommitNeverWritesTheIdOfADomainThatHasGoneMeanwhile) {
  AddGuest(5);
  Client other = AddGuest(6);
  uint32_t tx = other.Start();
  other.Write("data/x", "", tx);
  other.SetPerms("data/x", {"n6", "b5"}, tx);
  uint32_t tool_tx = tool_.Start();
  tool_.Write("/new", "", tool_tx);
  tool_.SetPerms("/new", {"n5"}, tool_tx);
  uint32_t unrelated = other.Start();
  other.Write("data/y", "", unrelated);
  EXPECT_EQ(server_.Release(5), Error::kOk);
  AddGuest(5);
  EXPECT_EQ(other.End(tx), "!EAGAIN");
  EXPECT_EQ(tool_.End(tool_tx), "!EAGAIN");
  EXPECT_EQ(other.End(unrelated), "OK");
}

TEST_F(DomainTest, NotEvenOfADomainWithoutAnyNode) {
  Client other = AddGuest(6);
  ASSERT_EQ(server_.Introduce(9, 1, 1), Error::kOk);
  uint32_t tx = other.Start();
  other.SetPerms("data", {"n6", "b9"}, tx);
  EXPECT_EQ(server_.Release(9), Error::kOk);
  ASSERT_EQ(server_.Introduce(9, 1, 1), Error::kOk);
  EXPECT_EQ(other.End(tx), "!EAGAIN");
}

TEST_F(DomainTest, ShutdownAndResume) {
  Client guest = AddGuest(5);
  EXPECT_EQ(server_.ShutDown(7), Error::kNoEntry);
  EXPECT_EQ(tool_.Do(kResume, Payload({"7"})), "!ENOENT");
  EXPECT_EQ(server_.ShutDown(5), Error::kOk);
  EXPECT_TRUE(server_.FindDomain(5)->shut_down);
  EXPECT_EQ(guest.Read("name"), "guest") << "it is still there";
  EXPECT_EQ(tool_.Do(kResume, Payload({"5"})), "OK");
  EXPECT_FALSE(server_.FindDomain(5)->shut_down);
}

TEST_F(DomainTest, AStubDomainActsForItsTarget) {
  Client stub = AddGuest(5);
  Client target = AddGuest(6);
  target.Write("data/x", "1");
  EXPECT_EQ(stub.Read("/local/domain/6/data/x"), "!EACCES");
  EXPECT_EQ(tool_.Do(kSetTarget, Payload({"5", "7"})), "!ENOENT");
  EXPECT_EQ(tool_.Do(kSetTarget, Payload({"7", "6"})), "!ENOENT");
  EXPECT_EQ(tool_.Do(kSetTarget, Payload({"5"})), "!EINVAL");
  EXPECT_EQ(tool_.Do(kSetTarget, Payload({"5", "6"})), "OK");
  EXPECT_EQ(stub.Read("/local/domain/6/data/x"), "1");
  EXPECT_EQ(target.Read("/local/domain/5/data"), "!EACCES");
  EXPECT_EQ(server_.Release(6), Error::kOk);
  EXPECT_EQ(server_.FindDomain(5)->target, kNobody);
  Client next = AddGuest(6);
  next.Write("data/x", "2");
  EXPECT_EQ(stub.Read("/local/domain/6/data/x"), "!EACCES") << "not of the next with that id";
}

TEST_F(DomainTest, AServiceMayComeAgain) {
  tool_.Mkdir("/local/domain/32751/backend");
  tool_.SetPerms("/local/domain/32751/backend", {"n32751"});
  Client backend = AddService(kBackendDomId);
  EXPECT_EQ(backend.Write("backend/vbd/1/state", "4"), "OK");
  EXPECT_EQ(backend.Watch("backend", "t"), "OK");
  EXPECT_NE(backend.Start(), 0u);
  server_.CloseService(backend.connection());
  EXPECT_EQ(backend.Read("backend"), "!EIO");
  EXPECT_EQ(AccountOf(kBackendDomId).watches, 0u);
  Client next = AddService(kBackendDomId);
  EXPECT_EQ(next.Read("backend/vbd/1/state"), "4") << "its nodes stay";
  EXPECT_EQ(next.Events(), Lines{});
  EXPECT_EQ(next.SetPerms("backend", {"n32751", "r5"}), "OK");
}

TEST_F(DomainTest, ServicesHaveRoomForManyGuests) {
  tool_.Mkdir("/local/domain/32751/backend");
  tool_.SetPerms("/local/domain/32751/backend", {"n32751"});
  Client backend = AddService(kBackendDomId);
  for (int i = 0; i < 3000; ++i) {
    std::string path = "backend/vbd/" + std::to_string(i / 12) + "/" + std::to_string(i % 12);
    ASSERT_EQ(backend.Write(path, "x"), "OK");
  }
  for (int i = 0; i < 500; ++i) ASSERT_EQ(backend.Watch("backend", std::to_string(i)), "OK");
}

}  // namespace
}  // namespace pyrene::xenstore
