// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "services/init/bundle_files.h"

namespace pyrene::init {
namespace {

// A cpio archive in "newc" format, entry by entry.
class Archive {
 public:
  Archive& Add(const std::string& name, const std::string& data) {
    char header[111];
    snprintf(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x",
             1, 0, 0, 0, 0, 0, data.size(), 0, 0, 0, 0, name.size() + 1, 0);
    bytes_ += header;
    bytes_ += name;
    bytes_ += '\0';
    Pad();
    bytes_ += data;
    Pad();
    return *this;
  }
  const std::string& End() {
    Add("TRAILER!!!", "");
    return bytes_;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void Pad() {
    while (bytes_.size() % 4 != 0) bytes_ += '\0';
  }
  std::string bytes_;
};

std::string Names(const absl::StatusOr<std::vector<BundleFiles::Entry>>& entries) {
  if (!entries.ok()) return std::string(entries.status().message());
  std::string names;
  for (const BundleFiles::Entry& entry : *entries) {
    names += entry.name + (entry.is_directory ? "/ " : "=" + std::to_string(entry.bytes) + " ");
  }
  return names;
}

class BundleFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    archive_.Add("init", "12345")
        .Add("a-b", "1")
        .Add("a.c", "22")
        .Add("a/x", "333")
        .Add("a/y/z", "")
        .Add("guests/vmlinuz", "kernel");
    ASSERT_TRUE(files_.Read(archive_.End()).ok());
  }
  Archive archive_;
  BundleFiles files_;
};

TEST_F(BundleFilesTest, FindsFilesHoweverTheyAreSpelled) {
  EXPECT_EQ(files_.Find("guests/vmlinuz").value(), "kernel");
  EXPECT_EQ(files_.Find("/guests/vmlinuz").value(), "kernel");
  EXPECT_EQ(files_.Find("./guests/vmlinuz").value(), "kernel");
  EXPECT_EQ(files_.Find("nothing").status().message(), "no file nothing in the boot bundle");
  EXPECT_FALSE(files_.Find("guests").ok());
  EXPECT_FALSE(files_.Find("").ok());
}

TEST_F(BundleFilesTest, ListsDirectoriesByName) {
  EXPECT_EQ(Names(files_.List("", "", 100)), "a/ a-b=1 a.c=2 guests/ init=5 ");
  EXPECT_EQ(Names(files_.List("/", "", 100)), "a/ a-b=1 a.c=2 guests/ init=5 ");
  EXPECT_EQ(Names(files_.List("a", "", 100)), "x=3 y/ ");
  EXPECT_EQ(Names(files_.List("/a/y/", "", 100)), "z=0 ");
  EXPECT_EQ(Names(files_.List("b", "", 100)), "no directory b in the boot bundle");
  EXPECT_EQ(Names(files_.List("init", "", 100)), "no directory init in the boot bundle");
}

TEST_F(BundleFilesTest, GoesOnBehindAName) {
  EXPECT_EQ(Names(files_.List("", "", 2)), "a/ a-b=1 ");
  EXPECT_EQ(Names(files_.List("", "a-b", 2)), "a.c=2 guests/ ");
  EXPECT_EQ(Names(files_.List("", "guests", 2)), "init=5 ");
  EXPECT_EQ(Names(files_.List("", "init", 2)), "");
}

TEST_F(BundleFilesTest, WhatIsForgottenIsNotThere) {
  files_.Forget("/a.c");
  EXPECT_TRUE(absl::IsNotFound(files_.Find("a.c").status()));
  EXPECT_EQ(Names(files_.List("", "a-b", 1)), "guests/ ");
  files_.Forget("none");
}

TEST_F(BundleFilesTest, AnArchiveThatIsCutOffIsRefused) {
  for (size_t bytes = 0; bytes + 4 < archive_.bytes().size(); bytes += 7) {
    BundleFiles files;
    ASSERT_FALSE(files.Read(absl::string_view(archive_.bytes()).substr(0, bytes)).ok()) << bytes;
  }
}

TEST(BundleFilesLimitTest, TooManyFilesAreRefused) {
  Archive archive;
  for (size_t i = 0; i <= BundleFiles::kMaxFiles; ++i) archive.Add(std::to_string(i), "");
  BundleFiles files;
  EXPECT_TRUE(absl::IsOutOfRange(files.Read(archive.End())));
}

}  // namespace
}  // namespace pyrene::init
