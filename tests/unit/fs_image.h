// SPDX-License-Identifier: Apache-2.0
//
// File systems that mke2fs made, as a BlockSource.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/fs/block_source.h"

namespace pyrene::fs {

inline void Shell(const std::string& command) {
  ASSERT_EQ(std::system(absl::StrCat("PATH=$PATH:/usr/sbin; ", command).c_str()), 0) << command;
}

inline std::string RandomBytes(size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// A folder of this test's; gone with it.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/pyrene-fs-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return absl::StrCat(path_, "/", name); }
  const std::string& path() const { return path_; }
  void Write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = *this / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }

 private:
  std::string path_;
};

class Image final : public BlockSource {
 public:
  // mke2fs with `options`; `tree` becomes its content; then debugfs's commands.
  Image(const std::string& options, const Folder& tree, unsigned mib = 16,
        const std::vector<std::string>& debugfs = {}) {
    const Folder folder;
    const std::string file = folder / "image";
    Shell(absl::StrCat("mke2fs -q -F ", options, " -d ", tree.path(), " ", file, " ", mib, "M"));
    for (const std::string& command : debugfs)
      Shell(absl::StrCat("debugfs -w -R '", command, "' ", file, " 2>", folder / "log"));
    bytes.resize(size_t{mib} << 20);
    std::ifstream(file, std::ios::binary)
        .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }

  absl::Status Read(uint64_t sector, absl::Span<uint8_t> to) override {
    ++reads;
    EXPECT_EQ(to.size() % kSectorBytes, 0u);
    EXPECT_LE(to.size(), bytes.size());
    EXPECT_LE(sector, (bytes.size() - to.size()) / kSectorBytes);
    if (!failure.ok()) return failure;
    std::memcpy(to.data(), bytes.data() + sector * kSectorBytes, to.size());
    return absl::OkStatus();
  }

  uint64_t sectors() const { return bytes.size() / kSectorBytes; }

  std::vector<uint8_t> bytes;
  uint64_t reads = 0;
  absl::Status failure;
};

}  // namespace pyrene::fs
