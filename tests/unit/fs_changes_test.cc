// SPDX-License-Identifier: Apache-2.0
//
// What fs writes, as e2fsck sees it: after random changes, and after the power was cut at any
// write.
#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/fs/volume.h"
#include "tests/unit/fs_image.h"

namespace pyrene::fs {
namespace {

using testing::HasSubstr;

constexpr uint32_t k64Bit = 2;
constexpr uint32_t kChecksumV2 = 8;
constexpr uint32_t kChecksumV3 = 16;

uint32_t Big(uint32_t value) { return __builtin_bswap32(value); }

struct Kind {
  const char* options;
  uint32_t journal;  // its features, as Linux sets them when it mounts
};

// The journal's superblock.
uint8_t* JournalOf(Image& image) {
  const uint32_t begin[] = {Big(0xc03b3998), Big(4)};
  for (size_t at = 0; at < image.bytes.size(); at += 1024) {
    if (std::memcmp(image.bytes.data() + at, begin, sizeof(begin)) == 0)
      return image.bytes.data() + at;
  }
  ADD_FAILURE() << "no journal";
  return nullptr;
}

void SetFeatures(Image& image, uint32_t features) {
  uint8_t* const super = JournalOf(image);
  const uint32_t big = Big(features);
  std::memcpy(super + 0x28, &big, 4);
  if ((features & (kChecksumV2 | kChecksumV3)) == 0) return;
  super[0x50] = 4;
  std::memset(super + 0xfc, 0, 4);
  const uint32_t checksum = Big(ext2fs_crc32c_le(~0U, super, 1024));
  std::memcpy(super + 0xfc, &checksum, 4);
}

// Files by their paths; directories have no content.
using Model = std::map<std::string, std::string>;
constexpr char kDirectory[] = "(directory)";

// A mount, again after each failure.
class World {
 public:
  explicit World(Image& image) : image_(image) {}

  Volume* volume() {
    if (volume_ != nullptr && !volume_->stale()) return volume_.get();
    volume_.reset();
    auto mounted = Volume::Mount(image_, 0, image_.sectors(), "vda2");
    if (mounted.ok()) volume_ = std::move(*mounted);
    status_ = mounted.status();
    return volume_.get();
  }
  const absl::Status& status() const { return status_; }

  absl::Status Write(const std::string& path, const std::string& text, size_t piece = 8192) {
    if (volume() == nullptr) return status_;
    const auto file = volume()->StartFile(text.size());
    if (!file.ok()) return file.status();
    for (uint64_t done = 0; done < text.size();) {
      if (volume() == nullptr) return status_;
      const auto grown =
          volume()->Append(file->number, done, std::min<uint64_t>(piece, text.size() - done),
                           reinterpret_cast<const uint8_t*>(text.data()) + done);
      if (!grown.ok()) return grown.status();
      done = *grown;
    }
    return volume() == nullptr ? status_ : volume()->Rename(Volume::kPartFile, path, file->number);
  }
  absl::Status Remove(const std::string& path) {
    if (volume() == nullptr) return status_;
    const auto file = volume()->Look(path);
    return file.ok() ? volume()->Remove(path, file->number) : file.status();
  }
  absl::Status Make(const std::string& path) {
    return volume() == nullptr ? status_ : volume()->MakeDirectory(path);
  }
  absl::Status Fill(const std::string& path) {
    for (uint64_t offset = 0;;) {
      if (volume() == nullptr) return status_;
      const auto file = volume()->Stat(path);
      if (!file.ok()) return file.status();
      const auto next = volume()->FillHoles(path, offset);
      if (!next.ok()) return next.status();
      if (*next == file->bytes) return absl::OkStatus();
      EXPECT_GT(*next, offset);
      offset = *next;
    }
  }
  std::string Read(const std::string& path) {
    const auto file = volume()->Stat(path);
    if (!file.ok()) return std::string(file.status().message());
    std::vector<uint8_t> buffer(file->bytes + 1);
    const auto part = volume()->Read(path, 0, absl::MakeSpan(buffer));
    if (!part.ok()) return std::string(part.status().message());
    return {buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(part->bytes)};
  }
  bool Has(const Model& model, std::string* difference = nullptr) {
    for (const auto& [path, text] : model) {
      const auto file = volume()->Stat(path);
      const bool right =
          file.ok() && (text == kDirectory ? file->is_directory : Read(path) == text);
      if (right) continue;
      if (difference != nullptr) *difference = path;
      return false;
    }
    return true;
  }

 private:
  Image& image_;
  std::unique_ptr<Volume> volume_;
  absl::Status status_;
};

void ExpectClean(Image& image, const char* command = "e2fsck -fn") {
  std::string log;
  EXPECT_EQ(image.Run(command, &log), 0) << log;
}

class ChangesTest : public testing::TestWithParam<Kind> {
 protected:
  ChangesTest() {
    tree_.Write("note", "a note");
    tree_.Write("old", RandomBytes(40'000, 3));
    for (int i = 0; i < 120; ++i)
      tree_.Write(absl::StrCat("many/", std::string(60, 'n'), i), absl::StrCat(i));
    std::ofstream sparse(tree_ / "sparse", std::ios::binary);
    for (int i = 0; i < 3; ++i) {
      sparse.seekp(i * 204800);
      sparse << "piece " << i;
    }
    sparse.seekp(600'000);
    sparse << "end";
    sparse.close();
    for (const char* name : {"note", "old", "sparse"}) model_[absl::StrCat("/", name)] = Host(name);
  }
  std::string Host(const std::string& name) {
    std::ifstream in(tree_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Image Make(unsigned mib, const std::vector<std::string>& debugfs = {}) {
    Image image(GetParam().options, tree_, mib, debugfs);
    // Indices of directories, as Linux makes them.
    image.Run("e2fsck -fyD");
    SetFeatures(image, GetParam().journal);
    ExpectClean(image);
    return image;
  }

  Folder tree_;
  Model model_;
};

TEST_P(ChangesTest, AnyChangesLeaveItClean) {
  Image image = Make(8, {"write /dev/null /reserved", "set_inode_field /reserved size 1400000",
                         "fallocate /reserved 0 1300"});
  World world(image);
  model_["/reserved"] = std::string(1'400'000, '\0');
  ASSERT_TRUE(world.Fill("/sparse").ok());
  ASSERT_TRUE(world.volume()->Map("/sparse").ok());
  ASSERT_TRUE(world.Fill("/reserved").ok());
  ASSERT_TRUE(world.volume()->Map("/reserved").ok()) << world.volume()->Map("/reserved").status();
  ExpectClean(image);
  std::mt19937 random(17);
  for (int i = 0; i < 60; ++i) {
    const std::string path = absl::StrCat(random() % 3 == 0 ? "/many/" : "/", "f", random() % 12);
    const bool is_there = model_.count(path) != 0;
    const bool is_directory = is_there && model_[path] == kDirectory;
    absl::Status status;
    switch (random() % 4) {
      case 0:
        status = world.Make(path);
        EXPECT_EQ(status.ok(), !is_there || is_directory) << status;
        if (status.ok()) model_[path] = kDirectory;
        break;
      case 1:
        status = world.Remove(path);
        EXPECT_EQ(status.ok(), is_there) << status;
        model_.erase(path);
        break;
      default: {
        const std::string text = RandomBytes(random() % 300'000, static_cast<unsigned>(i));
        status = world.Write(path, text);
        if (absl::IsResourceExhausted(status)) break;
        EXPECT_EQ(status.ok(), !is_directory) << status;
        if (status.ok()) model_[path] = text;
      }
    }
    if (i % 20 == 19) {
      ASSERT_NE(world.volume(), nullptr) << world.status();
      ASSERT_TRUE(world.volume()->Sync().ok());
      ExpectClean(image);
    }
  }
  for (int i = 0; i < 120; ++i)
    EXPECT_TRUE(world.Remove(absl::StrCat("/many/", std::string(60, 'n'), i)).ok()) << i;
  ExpectClean(image);
  std::string difference;
  EXPECT_TRUE(World(image).Has(model_, &difference)) << difference;
}

// Whatever of the writes since the last flush is lost, what was acknowledged is there after the
// journal's replay, by fs and by e2fsck, and of what was under way all or nothing.
TEST_P(ChangesTest, ThePowerMayBeCutAtAnyWrite) {
  const Image original = Make(4);
  const std::string text = RandomBytes(70'000, 5);
  struct Step {
    std::function<absl::Status(World&)> work;
    std::function<void(Model&)> expect;
  };
  const Step steps[] = {
      {[&](World& w) { return w.Write("/new", text); }, [&](Model& m) { m["/new"] = text; }},
      {[](World& w) { return w.Make("/folder"); }, [](Model& m) { m["/folder"] = kDirectory; }},
      {[&](World& w) { return w.Write("/old", text, 70'000); },
       [&](Model& m) { m["/old"] = text; }},
      {[](World& w) { return w.Remove("/note"); }, [](Model& m) { m.erase("/note"); }},
      {[](World& w) { return w.Fill("/sparse"); }, [](Model&) {}},
  };
  unsigned cuts = 0;
  // At every write with one kind, else at some.
  const unsigned step = GetParam().journal == (kChecksumV3 | k64Bit) ? 1 : 7;
  for (bool ended = false; !ended; cuts += step) {
    std::mt19937 random(cuts);
    Image image = original;
    image.ends_after = cuts;
    World world(image);
    Model before = model_;
    Model after = model_;
    ended = true;
    for (const Step& step : steps) {
      before = after;
      step.expect(after);
      if (step.work(world).ok()) continue;
      ended = false;
      break;
    }
    if (ended) before = after;
    const uint64_t kept = random() % 4;
    image.Lose([&] { return kept == 3 || (kept != 0 && random() % 2 == 0); });
    image.ends_after = Image::kNever;
    Image other = image;
    const int repaired = other.Run("e2fsck -p");
    EXPECT_LE(repaired, 1) << "cut " << cuts;
    for (Image* one : {&image, &other}) {
      World now(*one);
      ASSERT_NE(now.volume(), nullptr) << "cut " << cuts << ": " << now.status();
      std::string difference;
      EXPECT_TRUE(now.Has(before) || now.Has(after, &difference))
          << "cut " << cuts << (one == &image ? "" : " (e2fsck)") << " at " << difference;
      if (one == &image || cuts / step % 8 == 0) ExpectClean(*one);
    }
    if (HasFailure()) break;
  }
  EXPECT_GT(cuts, 50u);
}

// What debugfs writes into a journal as Linux does, revokes among it.
TEST_P(ChangesTest, AJournalOfOthersIsReplayed) {
  Image image = Make(8);
  const size_t block_bytes = size_t{1024} << image.bytes[1024 + 24];
  const uint32_t features = GetParam().journal;
  const Folder folder;
  for (const char* name : {"a", "b", "c"})
    folder.Write(name,
                 std::string("\xc0\x3b\x39\x98", 4) + std::string(2 * block_bytes - 4, *name));
  const auto count = image.bytes.size() / block_bytes;
  const size_t place = count - 20;
  folder.Write("commands",
               absl::StrCat("jo",
                            (features & kChecksumV3) != 0   ? " -c -v 3"
                            : (features & kChecksumV2) != 0 ? " -c -v 2"
                                                            : "",
                            "\njw -b ", place, ",", place + 1, " ", folder / "a", "\njw -b ",
                            place + 2, ",", place + 3, " ", folder / "b", "\njw -r ", place + 2,
                            "\njw -b ", place + 3, ",", place + 4, " ", folder / "c", "\njc\n"));
  std::string log;
  ASSERT_EQ(image.Run(absl::StrCat("debugfs -w -f ", folder / "commands"), &log), 0) << log;
  Image damaged = image;
  const auto mount = [](Image& from, Volume::Replay replay) {
    return Volume::Mount(from, 0, from.sectors(), "vda2", replay).status();
  };
  EXPECT_TRUE(absl::IsAborted(mount(image, Volume::Replay::kOwn))) << log;
  image.write_protected = true;
  EXPECT_THAT(mount(image, Volume::Replay::kAny).ToString(), HasSubstr("write protected"));
  image.write_protected = false;
  EXPECT_TRUE(mount(image, Volume::Replay::kAny).ok()) << mount(image, Volume::Replay::kAny);
  const auto at = [&](const Image& from, size_t block) {
    return std::string(reinterpret_cast<const char*>(from.bytes.data()) + block * block_bytes, 6);
  };
  EXPECT_EQ(at(image, place), std::string("\xc0\x3b\x39\x98", 4) + "aa");
  EXPECT_EQ(at(image, place + 1), "aaaaaa");
  EXPECT_EQ(at(image, place + 2), std::string(6, '\0'));
  EXPECT_EQ(at(image, place + 3), std::string("\xc0\x3b\x39\x98", 4) + "cc");
  EXPECT_EQ(at(image, place + 4), "cccccc");
  ExpectClean(image);

  if ((features & (kChecksumV2 | kChecksumV3)) == 0) return;
  // One byte of what the first transaction has.
  const std::string content(200, 'a');
  const auto found =
      std::search(damaged.bytes.begin(), damaged.bytes.end(), content.begin(), content.end());
  ASSERT_NE(found, damaged.bytes.end());
  *found ^= 1;
  const absl::Status status = mount(damaged, Volume::Replay::kAny);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("its journal is damaged (a transaction's checksum)"));
  EXPECT_THAT(status.ToString(), HasSubstr("e2fsck -p /dev/vda2"));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ChangesTest,
    testing::Values(Kind{"-t ext4 -b 1024 -J size=1 -N 256", kChecksumV3 | k64Bit},
                    Kind{"-t ext4 -b 1024 -J size=1 -N 256 -g 1024 -O ^64bit", kChecksumV3},
                    Kind{"-t ext4 -b 1024 -J size=1 -N 256", kChecksumV2 | k64Bit},
                    Kind{"-t ext4 -b 1024 -J size=1 -N 256 -O ^64bit", kChecksumV2},
                    Kind{"-t ext3 -b 1024 -J size=1 -N 256", 0},
                    Kind{"-t ext4 -b 1024 -J size=1 -N 256 -O ^metadata_csum", k64Bit}));

class RefusedTest : public ChangesTest {
 protected:
  absl::Status Refused(const char* options, const std::vector<std::string>& debugfs = {},
                       bool write_protected = false) {
    Image image(options, tree_, 16, debugfs);
    image.write_protected = write_protected;
    const std::vector<uint8_t> before = image.bytes;
    World world(image);
    EXPECT_NE(world.volume(), nullptr) << world.status();
    absl::Status status = world.Make("/folder");
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_EQ(world.Read("/note"), "a note");
    EXPECT_EQ(image.bytes, before);
    return status;
  }
};

TEST_F(RefusedTest, WhatIsNotToBeWritten) {
  EXPECT_EQ(Refused("-t ext2").message(), "vda2: Read-only file system (it has no journal)");
  EXPECT_THAT(Refused("-t ext4 -O bigalloc").ToString(), HasSubstr("(it has features that are"));
  EXPECT_THAT(Refused("-t ext4 -O quota").ToString(), HasSubstr("(it has features that are"));
  EXPECT_EQ(Refused("-t ext4", {}, true).message(),
            "vda2: Read-only file system (it is write protected)");
  EXPECT_THAT(Refused("-t ext4", {"set_super_value state 3"}).message(),
              HasSubstr("(it has errors"));
  EXPECT_THAT(Refused("-t ext4", {"set_super_value last_orphan 15"}).message(),
              HasSubstr("e2fsck -p /dev/vda2"));
}

TEST_F(RefusedTest, ErrorsChangeNothing) {
  Image image("-t ext4 -b 1024 -N 256 -E lazy_itable_init=1,lazy_journal_init=1", tree_, 8);
  World world(image);
  EXPECT_THAT(world.Make("/nothing/folder").ToString(), HasSubstr("No such file or directory"));
  EXPECT_THAT(world.Make("/note/folder").ToString(), HasSubstr("Not a directory"));
  EXPECT_THAT(world.Make("/note").ToString(), HasSubstr("/note: File exists"));
  EXPECT_THAT(world.Make("/" + std::string(256, 'n')).ToString(), HasSubstr("File name too long"));
  EXPECT_THAT(world.Remove("/many").ToString(), HasSubstr("/many: Directory not empty"));
  EXPECT_THAT(world.Remove("/").ToString(), HasSubstr("Invalid argument"));
  EXPECT_THAT(world.Write("/many", "text").ToString(), HasSubstr("/many: Is a directory"));
  // Full: of blocks, at the begin and on the way.
  EXPECT_THAT(world.volume()->StartFile(8 << 20).status().ToString(), HasSubstr("No space left"));
  const auto part = world.volume()->StartFile(0);
  ASSERT_TRUE(part.ok()) << part.status();
  absl::StatusOr<uint64_t> grown = uint64_t{0};
  uint64_t size = 0;
  while (grown.ok()) {
    size = *grown;
    grown = world.volume()->Append(part->number, size, 65536, nullptr);
  }
  EXPECT_TRUE(absl::IsResourceExhausted(grown.status())) << grown.status();
  EXPECT_GT(size, 3u << 20);
  // A repeated piece, and one that is not the next.
  ASSERT_NE(world.volume(), nullptr);
  EXPECT_EQ(*world.volume()->Append(part->number, 0, 65536, nullptr), size);
  EXPECT_EQ(*world.volume()->Append(part->number, size + 1024, 65536, nullptr), size);
  EXPECT_TRUE(absl::IsNotFound(world.volume()->Append(99, size, 1, nullptr).status()));
  // Repeated when they are done.
  EXPECT_TRUE(world.volume()->Rename(Volume::kPartFile, "/zeros", part->number).ok());
  EXPECT_TRUE(world.volume()->Rename(Volume::kPartFile, "/zeros", part->number).ok());
  EXPECT_TRUE(world.volume()->Remove("/zeros", 99).ok());
  EXPECT_TRUE(world.volume()->Stat("/zeros").ok());
  EXPECT_TRUE(world.Remove("/zeros").ok());
  EXPECT_TRUE(world.volume()->Remove("/zeros", part->number).ok());
  // Of files.
  absl::Status status;
  for (int i = 0; status.ok(); ++i) status = world.Make(absl::StrCat("/d", i));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  ASSERT_NE(world.volume(), nullptr);
  // The disk fails.
  image.failure = absl::InternalError("sector 7 can not be written");
  EXPECT_THAT(world.Remove("/note").ToString(), HasSubstr("sector 7 can not be written"));
  image.failure = absl::OkStatus();
  std::string difference;
  EXPECT_TRUE(world.Has(model_, &difference)) << difference;
  ExpectClean(image);
}

}  // namespace
}  // namespace pyrene::fs
