// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <vector>

#include "services/xenstore/path.h"
#include "services/xenstore/perms.h"

namespace pyrene::xenstore {
namespace {

std::string Canonical(std::string_view input) {
  std::string path;
  return Canonicalize(input, 5, &path) == Error::kOk ? path : "!";
}

TEST(PathTest, AbsolutePathsStayAsTheyAre) {
  for (const char* path : {"/", "/a", "/local/domain/0", "/a-b_c@d/E9", "/@x"}) {
    EXPECT_EQ(Canonical(path), path);
  }
}

TEST(PathTest, RelativePathsLieBelowTheCallersHome) {
  EXPECT_EQ(Canonical("device/vbd"), "/local/domain/5/device/vbd");
  EXPECT_EQ(Canonical("a"), "/local/domain/5/a");
}

TEST(PathTest, RefusesWhatIsNoPath) {
  for (std::string_view path : {"", "//", "/a/", "a/", "/a//b", "a//b", "/a b", "/a.b", "/a\n",
                                "/\xff", "/a,b", "@releaseDomain", "@x", "/local/domain/"}) {
    EXPECT_EQ(Canonical(path), "!") << path;
  }
  EXPECT_EQ(Canonical(std::string_view("/a\0b", 4)), "!");
}

TEST(PathTest, LengthLimits) {
  EXPECT_NE(Canonical("/" + std::string(kMaxAbsolutePath - 1, 'a')), "!");
  EXPECT_EQ(Canonical("/" + std::string(kMaxAbsolutePath, 'a')), "!");
  EXPECT_NE(Canonical(std::string(kMaxRelativePath, 'a')), "!");
  EXPECT_EQ(Canonical(std::string(kMaxRelativePath + 1, 'a')), "!");
}

TEST(PathTest, Parents) {
  EXPECT_EQ(ParentOf("/a/b"), "/a");
  EXPECT_EQ(ParentOf("/a"), "/");
  EXPECT_EQ(ParentOf("/"), "/");
  EXPECT_EQ(DepthOf("/"), 0u);
  EXPECT_EQ(DepthOf("/a"), 1u);
  EXPECT_EQ(DepthOf("/a/b"), 2u);
}

TEST(PathTest, IsAtOrBelowGoesByComponents) {
  EXPECT_TRUE(IsAtOrBelow("/a/b", "/a"));
  EXPECT_TRUE(IsAtOrBelow("/a", "/a"));
  EXPECT_TRUE(IsAtOrBelow("/a", "/"));
  EXPECT_TRUE(IsAtOrBelow("/", "/"));
  EXPECT_FALSE(IsAtOrBelow("/ab", "/a"));
  EXPECT_FALSE(IsAtOrBelow("/a", "/a/b"));
}

TEST(PathTest, ComponentsOfAPath) {
  std::vector<std::string> names;
  std::vector<size_t> ends;
  for (Components rest("/ab/c/def"); rest.Next();) {
    names.emplace_back(rest.name());
    ends.push_back(rest.end());
  }
  EXPECT_EQ(names, (std::vector<std::string>{"ab", "c", "def"}));
  EXPECT_EQ(ends, (std::vector<size_t>{3, 5, 9}));
  EXPECT_FALSE(Components("/").Next());
}

TEST(PathTest, Numbers) {
  EXPECT_EQ(ParseNumber("0"), 0u);
  EXPECT_EQ(ParseNumber("18446744073709551615"), ~uint64_t{0});
  for (std::string_view text : {"", " 1", "+1", "-1", "1 ", "0x1", "18446744073709551616", "a"}) {
    EXPECT_EQ(ParseNumber(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseDomId("1"), DomId{1});
  EXPECT_EQ(ParseDomId("32751"), DomId{0x7fef});
  EXPECT_EQ(ParseDomId("0"), std::nullopt);
  EXPECT_EQ(ParseDomId("32752"), std::nullopt);
  EXPECT_EQ(ParseDomId("65537"), std::nullopt);
}

TEST(PermsTest, ParseAndFormat) {
  Perm perm;
  ASSERT_TRUE(ParsePerm("b12", &perm));
  EXPECT_EQ(perm, (Perm{12, kRead | kWrite}));
  ASSERT_TRUE(ParsePerm("n0", &perm));
  EXPECT_EQ(perm, (Perm{0, kNoAccess}));
  for (std::string_view text :
       {"", "r", "x5", "5", "r-1", "r5 ", "r70000", "R5", "rr5", "r32752"}) {
    EXPECT_FALSE(ParsePerm(text, &perm)) << text;
  }
  EXPECT_EQ(FormatPerms({{0, kNoAccess}, {5, kRead}, {6, kWrite}, {7, kRead | kWrite}}),
            std::string("n0\0r5\0w6\0b7\0", 12));
}

TEST(PermsTest, WhoMayDoWhat) {
  Perms perms = {{5, kRead}, {6, kWrite}, {7, kNoAccess}, {6, kRead}};
  EXPECT_EQ(AccessOf(perms, {.domid = 5}), kAll) << "the owner";
  EXPECT_EQ(AccessOf(perms, {.domid = 6}), kWrite) << "the first entry counts";
  EXPECT_EQ(AccessOf(perms, {.domid = 7}), kNoAccess) << "an entry can take the default away";
  EXPECT_EQ(AccessOf(perms, {.domid = 8}), kRead) << "the default";
  EXPECT_EQ(AccessOf(perms, {.domid = 9, .privileged = true}), kAll);
  EXPECT_EQ(AccessOf(perms, {.domid = 9, .target = 5}), kAll) << "serves the owner";
  EXPECT_EQ(AccessOf({{kNobody, kNoAccess}}, {.domid = 8, .target = kNobody}), kNoAccess)
      << "who serves nobody does not own what nobody owns";
}

}  // namespace
}  // namespace pyrene::xenstore
