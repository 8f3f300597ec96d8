// SPDX-License-Identifier: Apache-2.0
//
// Every operation of ABI 5.2 outside watches, transactions and domains: replies and errors, and the
// permissions of ABI 5.3.
#include <gtest/gtest.h>

#include "services/xenstore/path.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

class RequestTest : public StoreTest {
 protected:
  RequestTest() : guest_(AddGuest(5)), other_(AddGuest(6)) {}

  Client guest_;
  Client other_;
};

TEST_F(RequestTest, ReadGivesTheBytesThatWereWritten) {
  EXPECT_EQ(tool_.Write("/a", ""), "OK");
  EXPECT_EQ(tool_.Read("/a"), "");
  std::string bytes("x\0y\xff\n", 5);
  EXPECT_EQ(tool_.Write("/a", bytes), "OK");
  EXPECT_EQ(tool_.Read("/a"), bytes);
  EXPECT_EQ(tool_.Read("/b"), "!ENOENT");
}

TEST_F(RequestTest, MalformedPayloads) {
  using enum MessageType;
  for (MessageType type : {kRead, kDirectory, kGetPerms, kMkdir, kRm}) {
    EXPECT_EQ(tool_.Do(type, ""), "!EINVAL");
    EXPECT_EQ(tool_.Do(type, "/tool"), "!EINVAL") << "no NUL";
    EXPECT_EQ(tool_.Do(type, Payload({"/tool", "x"})), "!EINVAL") << "two strings";
    EXPECT_EQ(tool_.Do(type, Payload({""})), "!EINVAL");
    EXPECT_EQ(tool_.Do(type, Payload({"/tool/"})), "!EINVAL");
    EXPECT_EQ(tool_.Do(type, Payload({"@releaseDomai"})), "!EINVAL");
  }
  for (MessageType type : {kRead, kDirectory, kMkdir, kRm}) {
    EXPECT_EQ(tool_.Do(type, Payload({"@releaseDomain"})), "!EINVAL");
  }
  EXPECT_EQ(tool_.Do(kWrite, "/tool"), "!EINVAL");
  EXPECT_EQ(tool_.Do(kSetPerms, Payload({"/tool"})), "!EINVAL");
  EXPECT_EQ(tool_.Do(kSetPerms, Payload({"/tool", "n0"}) + "r5"), "!EINVAL");
  EXPECT_EQ(tool_.Do(kDirectoryPart, Payload({"/tool"})), "!EINVAL");
  EXPECT_EQ(tool_.Do(kDirectoryPart, Payload({"/tool", "x"})), "!EINVAL");
  EXPECT_EQ(tool_.Do(kDirectoryPart, Payload({"/tool", "0", "0"})), "!EINVAL");
  EXPECT_EQ(tool_.Do(kRead, std::string(kMaxPayload + 1, 'a')), "!EINVAL");
}

TEST_F(RequestTest, UnknownTypesAreNotImplemented) {
  for (uint32_t type : {15u, 16u, 20u, 24u, 25u, 26u, 27u, 99u, ~0u}) {
    EXPECT_EQ(tool_.Do(static_cast<MessageType>(type), Payload({"/"})), "!ENOSYS") << type;
    EXPECT_EQ(guest_.Do(static_cast<MessageType>(type), Payload({"/"})), "!ENOSYS") << type;
  }
}

TEST_F(RequestTest, WriteCreatesParentsWithEmptyValues) {
  EXPECT_EQ(guest_.Write("data/a/b/c", "v"), "OK");
  EXPECT_EQ(guest_.Read("data/a"), "");
  EXPECT_EQ(guest_.Read("data/a/b"), "");
  EXPECT_EQ(guest_.Read("data/a/b/c"), "v");
  EXPECT_EQ(guest_.Read("/local/domain/5/data/a/b/c"), "v");
}

TEST_F(RequestTest, MkdirKeepsWhatExists) {
  EXPECT_EQ(guest_.Mkdir("data/d"), "OK");
  EXPECT_EQ(guest_.Read("data/d"), "");
  EXPECT_EQ(guest_.Write("data/d", "v"), "OK");
  EXPECT_EQ(guest_.Mkdir("data/d"), "OK");
  EXPECT_EQ(guest_.Read("data/d"), "v");
  EXPECT_EQ(guest_.Mkdir("name"), "!EACCES") << "readable only";
  EXPECT_EQ(guest_.Mkdir("new"), "!EACCES");
}

TEST_F(RequestTest, DirectoryListsChildrenInTheOrderOfTheirCreation) {
  EXPECT_EQ(guest_.Do(MessageType::kDirectory, Payload({"data"})), "");
  guest_.Write("data/z", "");
  guest_.Write("data/a/b", "");
  guest_.Write("data/m", "");
  EXPECT_EQ(guest_.Do(MessageType::kDirectory, Payload({"data"})), Payload({"z", "a", "m"}));
  EXPECT_EQ(guest_.Directory("data/none"), "!ENOENT");
  EXPECT_EQ(tool_.Directory("/"), "local tool");
}

TEST_F(RequestTest, ADirectoryTooLongForAMessageIsReadInParts) {
  std::string all;
  for (int i = 0; i < 300; ++i) {
    std::string name = "child-number-" + std::to_string(i);
    ASSERT_EQ(guest_.Mkdir("data/" + name), "OK");
    all += name + '\0';
  }
  EXPECT_EQ(guest_.Directory("data"), "!E2BIG");

  std::string got;
  std::string generation;
  int parts = 0;
  while (true) {
    std::string part =
        guest_.Do(MessageType::kDirectoryPart, Payload({"data", std::to_string(got.size())}));
    ASSERT_LE(part.size(), kMaxPayload);
    size_t end = part.find('\0');
    ASSERT_NE(end, std::string::npos);
    if (parts++ == 0) generation = part.substr(0, end);
    EXPECT_EQ(part.substr(0, end), generation);
    std::string names = part.substr(end + 1);
    bool last = names.size() == 1 || names.substr(names.size() - 2) == std::string(2, '\0');
    if (last) names.pop_back();
    got += names;
    if (last) break;
  }
  EXPECT_EQ(got, all);
  EXPECT_EQ(parts, 2);

  guest_.Mkdir("data/another");
  std::string part = guest_.Do(MessageType::kDirectoryPart, Payload({"data", "0"}));
  EXPECT_NE(part.substr(0, part.find('\0')), generation) << "a client sees that it must start over";
}

TEST_F(RequestTest, DirectoryPartAtOddOffsets) {
  guest_.Mkdir("data/ab");
  guest_.Mkdir("data/cd");
  auto part = [&](std::string_view offset) {
    std::string reply = guest_.Do(MessageType::kDirectoryPart, Payload({"data", offset}));
    return reply.substr(reply.find('\0') + 1);
  };
  EXPECT_EQ(part("0"), Payload({"ab", "cd", ""}));
  EXPECT_EQ(part("1"), Payload({"b", "cd", ""}));
  EXPECT_EQ(part("2"), Payload({"", "cd", ""}));
  EXPECT_EQ(part("3"), Payload({"cd", ""}));
  EXPECT_EQ(part("6"), Payload({""}));
  EXPECT_EQ(part("18446744073709551615"), Payload({""}));
  guest_.Rm("data/ab");
  guest_.Rm("data/cd");
  EXPECT_EQ(part("0"), Payload({""}));
}

TEST_F(RequestTest, RmIsRecursive) {
  guest_.Write("data/a/b/c", "v");
  EXPECT_EQ(guest_.Rm("data/a"), "OK");
  EXPECT_EQ(guest_.Read("data/a/b/c"), "!ENOENT");
  EXPECT_EQ(guest_.Directory("data"), "");
  EXPECT_EQ(guest_.Rm("data/a"), "OK") << "its parent exists";
  EXPECT_EQ(guest_.Rm("data/x/y"), "!ENOENT") << "its parent does not";
  EXPECT_EQ(tool_.Rm("/"), "!EINVAL");
  EXPECT_EQ(guest_.Rm("/"), "!EINVAL");
  EXPECT_EQ(guest_.Rm("name"), "!EACCES");
  EXPECT_EQ(guest_.Rm("none"), "!EACCES");
}

TEST_F(RequestTest, NewNodesInheritPermissionsWithTheirCreatorAsOwner) {
  EXPECT_EQ(tool_.SetPerms("/local/domain/5/data", {"r0", "b5", "w6"}), "OK");
  EXPECT_EQ(guest_.Mkdir("data/mine"), "OK");
  EXPECT_EQ(guest_.GetPerms("data/mine"), "r5 b5 w6");
  EXPECT_EQ(tool_.Mkdir("/local/domain/5/data/tools"), "OK");
  EXPECT_EQ(tool_.GetPerms("/local/domain/5/data/tools"), "r0 b5 w6");
  EXPECT_EQ(tool_.Write("/local/domain/5/data/mine/below", ""), "OK");
  EXPECT_EQ(tool_.GetPerms("/local/domain/5/data/mine/below"), "r5 b5 w6")
      << "the privileged keep the owner";
}

TEST_F(RequestTest, SetPermsNeedsTheOwner) {
  EXPECT_EQ(guest_.Mkdir("data/a"), "OK");
  EXPECT_EQ(guest_.SetPerms("data/a", {"n5", "b6"}), "OK");
  EXPECT_EQ(guest_.GetPerms("data/a"), "n5 b6");
  EXPECT_EQ(other_.SetPerms("/local/domain/5/data/a", {"n6"}), "!EACCES");
  EXPECT_EQ(guest_.SetPerms("data/a", {"n6"}), "!EPERM") << "a guest can not give nodes away";
  EXPECT_EQ(guest_.SetPerms("data/a", {"n5", "r6", "r6", "r6", "r6"}), "OK");
  EXPECT_EQ(guest_.SetPerms("data/a", {"n5", "r6", "r6", "r6", "r6", "r6"}), "!ENOSPC");
  EXPECT_EQ(guest_.SetPerms("data/a", {"x5"}), "!EINVAL");
  EXPECT_EQ(guest_.SetPerms("data/a", {"n"}), "!EINVAL");
  EXPECT_EQ(guest_.SetPerms("data/none", {"n5"}), "!ENOENT");
  EXPECT_EQ(guest_.SetPerms("name", {"n5"}), "!EACCES");
  EXPECT_EQ(tool_.SetPerms("/local/domain/5/data/a", {"n6"}), "OK");
  EXPECT_EQ(other_.GetPerms("/local/domain/5/data/a"), "n6");
}

TEST_F(RequestTest, PermissionsForDomainsThatDoNotExistGiveNothing) {
  EXPECT_EQ(guest_.Mkdir("data/a"), "OK");
  EXPECT_EQ(guest_.SetPerms("data/a", {"n5", "r0", "b77", "r6"}), "OK");
  EXPECT_EQ(guest_.GetPerms("data/a"), "n5 r0 r6") << "id 0 is nobody's, and stays";
}

TEST_F(RequestTest, LettersMeanWhatTheySay) {
  tool_.Mkdir("/shared");
  tool_.SetPerms("/shared", {"n0", "n5"});
  EXPECT_EQ(guest_.Read("/shared"), "!EACCES");
  EXPECT_EQ(guest_.Write("/shared", "x"), "!EACCES");
  tool_.SetPerms("/shared", {"n0", "r5"});
  EXPECT_EQ(guest_.Read("/shared"), "");
  EXPECT_EQ(guest_.GetPerms("/shared"), "n0 r5");
  EXPECT_EQ(guest_.Directory("/shared"), "");
  EXPECT_EQ(guest_.Write("/shared", "x"), "!EACCES");
  EXPECT_EQ(guest_.Rm("/shared"), "!EACCES");
  tool_.SetPerms("/shared", {"n0", "w5"});
  EXPECT_EQ(guest_.Read("/shared"), "!EACCES");
  EXPECT_EQ(guest_.GetPerms("/shared"), "!EACCES");
  EXPECT_EQ(guest_.Directory("/shared"), "!EACCES");
  EXPECT_EQ(guest_.Write("/shared", "x"), "OK");
  EXPECT_EQ(tool_.Read("/shared"), "x");
  tool_.SetPerms("/shared", {"n0", "b5"});
  EXPECT_EQ(guest_.Read("/shared"), "x");
  EXPECT_EQ(guest_.Mkdir("/shared/new"), "OK");
  EXPECT_EQ(guest_.SetPerms("/shared", {"n0", "b5"}), "!EACCES") << "writing is not owning";
  EXPECT_EQ(guest_.Rm("/shared"), "OK");
}

TEST_F(RequestTest, ExistenceIsHiddenFromThoseWhoMayNotSee) {
  EXPECT_EQ(guest_.Read("/"), "!EACCES");
  EXPECT_EQ(guest_.Directory("/"), "!EACCES");
  EXPECT_EQ(guest_.Read("/tool"), "!EACCES");
  EXPECT_EQ(guest_.Read("/none"), "!EACCES");
  EXPECT_EQ(guest_.Read("/local/domain/6/name"), "!EACCES");
  EXPECT_EQ(guest_.Read("/local/domain/6/none"), "!EACCES");
  EXPECT_EQ(guest_.Read("/local/domain/99/x"), "!EACCES");
  EXPECT_EQ(guest_.GetPerms("/none"), "!EACCES");
  EXPECT_EQ(guest_.Mkdir("/none"), "!EACCES");
  EXPECT_EQ(guest_.SetPerms("/none", {"n5"}), "!EACCES");
  // In its own home, which it can list, there is nothing to hide.
  EXPECT_EQ(guest_.Read("none"), "!ENOENT");
  EXPECT_EQ(guest_.Directory("device"), "!ENOENT");
}

TEST_F(RequestTest, ASnapshotsMissingParentDoesNotShowThroughAReadableGrandparent) {
  // The nearest ancestor that exists decides, not one further up.
  tool_.Mkdir("/local/domain/5/hidden");
  tool_.SetPerms("/local/domain/5/hidden", {"n0"});
  EXPECT_EQ(guest_.Read("hidden/a/b"), "!EACCES");
}

TEST_F(RequestTest, NodeSizeIsLimitedForGuests) {
  EXPECT_EQ(guest_.Write("data/a", std::string(2048 - sizeof(Perm), 'x')), "OK");
  EXPECT_EQ(guest_.Write("data/a", std::string(2049 - sizeof(Perm), 'x')), "!ENOSPC");
  EXPECT_EQ(guest_.Write("data/new", std::string(2049, 'x')), "!ENOSPC");
  EXPECT_EQ(guest_.Read("data/new"), "!ENOENT");
  EXPECT_EQ(tool_.Write("/big", std::string(4000, 'x')), "OK");
  EXPECT_EQ(tool_.Read("/big").size(), 4000u);
}

TEST_F(RequestTest, OnlyThePrivilegedUseWhatIsTheirs) {
  using enum MessageType;
  for (MessageType type :
       {kControl, kIntroduce, kRelease, kIsDomainIntroduced, kResume, kSetTarget}) {
    EXPECT_EQ(guest_.Do(type, Payload({"6", "6", "6"})), "!EACCES");
    EXPECT_EQ(AddService(kBackendDomId).Do(type, Payload({"6", "6", "6"})), "!EACCES");
  }
  EXPECT_EQ(guest_.Do(kGetFeature, Payload({"6"})), "!EACCES");
}

TEST_F(RequestTest, Features) {
  EXPECT_EQ(guest_.Do(MessageType::kGetFeature, ""), Payload({"7"}));
  EXPECT_EQ(guest_.Do(MessageType::kGetFeature, Payload({""})), Payload({"7"}));
}

TEST_F(RequestTest, ControlChecksTheBooks) {
  EXPECT_EQ(tool_.Do(MessageType::kControl, Payload({"check"})), "OK");
  EXPECT_EQ(tool_.Do(MessageType::kControl, Payload({"help"})), Payload({"help\ncheck\n"}));
  EXPECT_EQ(tool_.Do(MessageType::kControl, Payload({"live-update"})), "!EINVAL");
  EXPECT_EQ(tool_.Do(MessageType::kControl, ""), "!EINVAL");
}

TEST_F(RequestTest, GetDomainPath) {
  EXPECT_EQ(guest_.Do(MessageType::kGetDomainPath, Payload({"7"})), Payload({"/local/domain/7"}));
  EXPECT_EQ(guest_.Do(MessageType::kGetDomainPath, Payload({"0"})), Payload({"/local/domain/0"}));
  for (std::string_view domid : {"", "x", "-1", "65536", "7 "}) {
    EXPECT_EQ(guest_.Do(MessageType::kGetDomainPath, Payload({domid})), "!EINVAL");
  }
  EXPECT_EQ(guest_.Do(MessageType::kGetDomainPath, "7"), "!EINVAL");
}

TEST_F(RequestTest, AConnectionThatDoesNotExistGetsAnError) {
  EXPECT_EQ(Client(&server_, 999).Read("/tool"), "!EIO");
  EXPECT_EQ(Client(&server_, 999).Event(), "");
}

}  // namespace
}  // namespace pyrene::xenstore
