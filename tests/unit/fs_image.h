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
#include <functional>
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
    // In memory, where there is such a place: e2fsck waits for its disk.
    std::string name = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    name += "/pyrene-fs-XXXXXX";
    path_ = mkdtemp(name.data());
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

  absl::Status Write(uint64_t sector, absl::Span<const uint8_t> from) override {
    EXPECT_EQ(from.size() % kSectorBytes, 0u);
    EXPECT_LE(from.size(), bytes.size());
    EXPECT_LE(sector, (bytes.size() - from.size()) / kSectorBytes);
    if (!failure.ok()) return failure;
    if (writes == ends_after) return absl::UnavailableError("the power was cut");
    ++writes;
    uint8_t* const to = bytes.data() + sector * kSectorBytes;
    if (ends_after != kNever)
      unflushed.push_back({to, {to, to + from.size()}, {from.begin(), from.end()}});
    std::memcpy(to, from.data(), from.size());
    return absl::OkStatus();
  }
  absl::Status Flush() override {
    if (!failure.ok()) return failure;
    if (writes == ends_after) return absl::UnavailableError("the power was cut");
    unflushed.clear();
    return absl::OkStatus();
  }
  bool read_only() const override { return write_protected; }

  // What was written behind the last flush and is not for `keep` is gone.
  void Lose(const std::function<bool()>& keep) {
    for (auto write = unflushed.rbegin(); write != unflushed.rend(); ++write)
      std::copy(write->before.begin(), write->before.end(), write->place);
    for (const Unflushed& write : unflushed) {
      if (keep()) std::copy(write.after.begin(), write.after.end(), write.place);
    }
    unflushed.clear();
  }
  // Of e2fsprogs; its output goes to `log`. The exit status.
  int Run(const std::string& command, std::string* log = nullptr) {
    const Folder folder;
    const std::string file = folder / "image";
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    const int status = std::system(
        absl::StrCat("PATH=$PATH:/usr/sbin; ", command, " ", file, " >", folder / "log", " 2>&1")
            .c_str());
    std::ifstream(file, std::ios::binary)
        .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    std::ifstream in(folder / "log");
    if (log != nullptr) *log = {std::istreambuf_iterator<char>(in), {}};
    return WEXITSTATUS(status);
  }

  uint64_t sectors() const { return bytes.size() / kSectorBytes; }

  std::vector<uint8_t> bytes;
  uint64_t reads = 0;
  uint64_t writes = 0;
  static constexpr uint64_t kNever = ~uint64_t{0};
  uint64_t ends_after = kNever;  // writes
  bool write_protected = false;
  struct Unflushed {
    uint8_t* place;
    std::vector<uint8_t> before;
    std::vector<uint8_t> after;
  };
  std::vector<Unflushed> unflushed;  // while there is an `ends_after`
  absl::Status failure;
};

}  // namespace pyrene::fs
