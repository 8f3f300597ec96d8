// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/abi/bundle.h"
#include "tests/unit/kernel_test_util.h"

namespace pyrene {
namespace {

using Result = BundleReader::Result;

struct File {
  std::string name, data;
};

// One entry of a "newc" archive, with `extra` more NULs behind the name.
std::string Entry(const std::string& name, const std::string& data, size_t extra = 0) {
  char header[120];
  const auto name_bytes = static_cast<unsigned>(name.size() + 1 + extra);
  snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", 1,
           0100644, 0, 0, 1, 0, static_cast<unsigned>(data.size()), 0, 0, 0, 0, name_bytes, 0);
  std::string entry = header + name + std::string(1 + extra, '\0');
  entry.resize((entry.size() + 3) & ~size_t{3});
  entry += data;
  entry.resize((entry.size() + 3) & ~size_t{3});
  return entry;
}

std::string Archive(const std::vector<File>& files) {
  std::string archive;
  for (size_t i = 0; i < files.size(); ++i) archive += Entry(files[i].name, files[i].data, i * 37);
  return archive + Entry("TRAILER!!!", "");
}

// In memory of exactly its size.
class Exact {
 public:
  explicit Exact(const std::string& bytes) : memory_(new char[bytes.size()]), size_(bytes.size()) {
    memcpy(memory_.get(), bytes.data(), size_);
  }
  const char* data() const { return memory_.get(); }
  size_t size() const { return size_; }

 private:
  std::unique_ptr<char[]> memory_;
  size_t size_;
};

const std::vector<File> kFiles = {
    {"init", "first"}, {"empty", ""}, {"dir/symbols", std::string(5000, 's')}, {"x", "1234"}};

TEST(KernelBundle, FilesInTheirOrder) {
  const Exact archive(Archive(kFiles));
  BundleReader reader(archive.data(), archive.size());
  BundleFile file;
  for (const File& expected : kFiles) {
    ASSERT_EQ(reader.Next(file), Result::kFile);
    EXPECT_EQ(file.name, expected.name);
    EXPECT_EQ(std::string(file.data, file.bytes), expected.data);
  }
  EXPECT_EQ(reader.Next(file), Result::kEnd);
}

TEST(KernelBundle, Find) {
  const Exact archive(Archive(kFiles));
  BundleFile file;
  ASSERT_EQ(BundleReader::Find(archive.data(), archive.size(), "dir/symbols", file), Result::kFile);
  EXPECT_EQ(file.bytes, 5000u);
  EXPECT_EQ(BundleReader::Find(archive.data(), archive.size(), "symbols", file), Result::kEnd);
  EXPECT_EQ(BundleReader::Find(archive.data(), archive.size(), "ini", file), Result::kEnd);
  EXPECT_EQ(BundleReader::Find(archive.data(), archive.size(), "initrd", file), Result::kEnd);
}

// Cut off anywhere it is corrupt, and what was read before lies inside.
TEST(KernelBundle, TruncatedAtEveryByte) {
  const std::string whole = Archive(kFiles);
  const size_t trailer = whole.rfind("070701");
  const size_t complete = trailer + 110 + strlen("TRAILER!!!") + 1;
  for (size_t size = 0; size < whole.size(); ++size) {
    const Exact archive(whole.substr(0, size));
    BundleReader reader(archive.data(), archive.size());
    BundleFile file;
    Result result;
    while ((result = reader.Next(file)) == Result::kFile) {
      ASSERT_GE(file.data, archive.data());
      ASSERT_LE(file.data + file.bytes, archive.data() + size);
      ASSERT_LT(file.name + strlen(file.name), archive.data() + size);
    }
    if (size < complete) ASSERT_EQ(result, Result::kCorrupt) << size;
  }
}

TEST(KernelBundle, EmptyIsCorrupt) {
  BundleFile file;
  EXPECT_EQ(BundleReader::Find(nullptr, 0, "init", file), Result::kCorrupt);
}

TEST(KernelBundle, BadFields) {
  const std::string good = Entry("init", "data") + Entry("TRAILER!!!", "");
  const auto next = [](const std::string& bytes) {
    const Exact archive(bytes);
    BundleFile file;
    return BundleReader(archive.data(), archive.size()).Next(file);
  };
  ASSERT_EQ(next(good), Result::kFile);
  const auto with = [&good](size_t at, const char* text) {
    std::string bad = good;
    bad.replace(at, strlen(text), text);
    return bad;
  };
  constexpr size_t kFileSize = 6 + 6 * 8, kNameSize = 6 + 11 * 8;
  EXPECT_EQ(next(with(0, "070702")), Result::kCorrupt);
  EXPECT_EQ(next(with(kFileSize, "0000000g")), Result::kCorrupt);
  EXPECT_EQ(next(with(kFileSize, "ffffffff")), Result::kCorrupt);
  EXPECT_EQ(next(with(kFileSize, "-0000001")), Result::kCorrupt);
  EXPECT_EQ(next(with(kNameSize, "00000000")), Result::kCorrupt);
  EXPECT_EQ(next(with(kNameSize, "ffffffff")), Result::kCorrupt);
  EXPECT_EQ(next(with(kNameSize, "00000004")), Result::kCorrupt) << "the name is not terminated";
  EXPECT_EQ(next(with(kFileSize, "0000000A")), Result::kFile) << "either case";
  EXPECT_EQ(next(with(kFileSize, "0000000a")), Result::kFile);
}

TEST(KernelBundle, RandomDamage) {
  std::mt19937_64 random(kernel_test::Seed());
  const std::string whole = Archive(kFiles);
  for (uint64_t round = 0; round < kernel_test::Rounds(30000); ++round) {
    std::string bad = whole;
    for (unsigned i = 0; i <= random() % 6; ++i) {
      // Mostly digits, where the fields are.
      bad[random() % bad.size()] =
          random() % 3 == 0 ? static_cast<char>(random()) : "0123456789abcdefABCDEF"[random() % 22];
    }
    const Exact archive(bad);
    BundleReader reader(archive.data(), archive.size());
    BundleFile file;
    unsigned files = 0;
    while (reader.Next(file) == Result::kFile) {
      ASSERT_LE(file.data + file.bytes, archive.data() + archive.size());
      ASSERT_LT(file.name + strlen(file.name), archive.data() + archive.size());
      ASSERT_LT(++files, archive.size() / 110) << "it advances";
    }
  }
}

}  // namespace
}  // namespace pyrene
