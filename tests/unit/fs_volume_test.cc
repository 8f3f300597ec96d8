// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/fs/volume.h"
#include "tests/unit/fs_image.h"

namespace pyrene::fs {
namespace {

using testing::HasSubstr;

constexpr char kNoChecksums[] = "-t ext4 -b 4096 -O ^metadata_csum,^metadata_csum_seed";

class VolumeTest : public testing::TestWithParam<const char*> {
 protected:
  VolumeTest() {
    tree_.Write("guest.cfg", "name = \"guest\"\n");
    tree_.Write("guests/vmlinuz", kernel_);
    tree_.Write("guests/empty", "");
    tree_.Write(absl::StrCat("guests/", std::string(255, 'n')), "long");
    for (int i = 0; i < 300; ++i) tree_.Write(absl::StrCat("many/file-", i), absl::StrCat(i));
    // Holes, and so more extents than an inode has room for.
    std::ofstream sparse(tree_ / "sparse", std::ios::binary);
    for (int i = 0; i < 40; ++i) {
      sparse.seekp(i * 20480);
      sparse << "piece " << i;
    }
    sparse.close();
    std::filesystem::create_symlink("guests/vmlinuz", tree_ / "kernel");
    std::filesystem::create_symlink("/guests", tree_ / "absolute");
    std::filesystem::create_symlink("loop", tree_ / "loop");
  }

  std::unique_ptr<Volume> Mount(Image& image) {
    auto volume = Volume::Mount(image, 0, image.sectors(), "vda2");
    EXPECT_TRUE(volume.ok()) << volume.status();
    return volume.ok() ? *std::move(volume) : nullptr;
  }

  std::string ReadAll(Volume& volume, const std::string& path, size_t piece = 65536) {
    std::string text;
    std::vector<uint8_t> buffer(piece);
    for (;;) {
      const auto part = volume.Read(path, text.size(), absl::MakeSpan(buffer));
      EXPECT_TRUE(part.ok()) << part.status();
      if (!part.ok()) return "";
      text.append(reinterpret_cast<const char*>(buffer.data()), part->bytes);
      EXPECT_LE(text.size(), part->file_bytes);
      if (part->bytes < piece) return text;
    }
  }

  std::string Host(const std::string& name) {
    std::ifstream in(tree_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const std::string kernel_ = RandomBytes(3'000'123, 1);
  Folder tree_;
};

TEST_P(VolumeTest, FilesAreRead) {
  Image image(GetParam(), tree_);
  const auto volume = Mount(image);
  ASSERT_NE(volume, nullptr);
  for (const char* name : {"guest.cfg", "guests/vmlinuz", "guests/empty", "sparse", "kernel"})
    EXPECT_EQ(ReadAll(*volume, absl::StrCat("/", name)), Host(name)) << name;
  EXPECT_EQ(ReadAll(*volume, "sparse", 1000), Host("sparse"));
  EXPECT_EQ(ReadAll(*volume, "//absolute/vmlinuz"), kernel_);
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    const uint64_t offset = random() % kernel_.size();
    std::vector<uint8_t> buffer(1 + random() % 30000);
    const auto part = volume->Read("/guests/vmlinuz", offset, absl::MakeSpan(buffer));
    ASSERT_TRUE(part.ok()) << part.status();
    EXPECT_EQ(part->bytes, std::min<uint64_t>(buffer.size(), kernel_.size() - offset));
    EXPECT_EQ(std::memcmp(buffer.data(), kernel_.data() + offset, part->bytes), 0) << offset;
  }
}

TEST_P(VolumeTest, DirectoriesAreListedInPieces) {
  Image image(GetParam(), tree_);
  const auto volume = Mount(image);
  ASSERT_NE(volume, nullptr);
  std::map<std::string, uint64_t> found;
  uint32_t first = 0;
  do {
    const auto listing = volume->List("/many", first, 16);
    ASSERT_TRUE(listing.ok()) << listing.status();
    EXPECT_LE(listing->entries.size(), 16u);
    for (const FileInfo& file : listing->entries) found[file.name] = file.bytes;
    first = listing->next;
  } while (first != 0);
  EXPECT_EQ(found.size(), 300u);
  EXPECT_EQ(found["file-123"], 3u);
  const auto root = volume->List("/", 0, 100);
  ASSERT_TRUE(root.ok()) << root.status();
  const auto guests = std::find_if(root->entries.begin(), root->entries.end(),
                                   [](const FileInfo& file) { return file.name == "guests"; });
  ASSERT_NE(guests, root->entries.end());
  EXPECT_TRUE(guests->is_directory);
}

TEST_P(VolumeTest, ErrorsNameTheFile) {
  Image image(GetParam(), tree_);
  const auto volume = Mount(image);
  ASSERT_NE(volume, nullptr);
  uint8_t byte[512];
  const auto read = [&](const char* path) {
    return volume->Read(path, 0, absl::MakeSpan(byte)).status();
  };
  EXPECT_TRUE(absl::IsNotFound(read("/nothing"))) << read("/nothing");
  EXPECT_THAT(read("/nothing").message(), HasSubstr("/nothing: No such file or directory"));
  EXPECT_THAT(read("/guest.cfg/x").message(), HasSubstr("/guest.cfg/x: Not a directory"));
  EXPECT_THAT(read("/guests").message(), HasSubstr("/guests: Is a directory"));
  EXPECT_THAT(read("/loop").message(), HasSubstr("/loop: Too many levels"));
  EXPECT_THAT(volume->List("/guest.cfg", 0, 1).status().message(), HasSubstr("Not a directory"));
  image.failure = absl::InternalError("sector 7 can not be read");
  EXPECT_THAT(read("/guests/vmlinuz").message(),
              HasSubstr("/guests/vmlinuz: sector 7 can not be read"));
  image.failure = absl::UnavailableError("the card was taken out");
  EXPECT_TRUE(absl::IsUnavailable(read("/many/file-1")));
}

TEST_P(VolumeTest, MapsSayWhereFilesAre) {
  Image image(GetParam(), tree_);
  // As a partition that begins behind others.
  constexpr uint64_t kFirst = 2048;
  image.bytes.insert(image.bytes.begin(), kFirst * kSectorBytes, 0x55);
  const auto volume = Volume::Mount(image, kFirst, image.sectors() - kFirst, "vda2");
  ASSERT_TRUE(volume.ok()) << volume.status();
  const auto map = (*volume)->Map("/guests/vmlinuz");
  ASSERT_TRUE(map.ok()) << map.status();
  EXPECT_EQ(map->bytes, kernel_.size());
  std::string text;
  for (const Extent& extent : map->extents) {
    text.append(reinterpret_cast<const char*>(image.bytes.data()) + extent.sector * kSectorBytes,
                extent.sectors * kSectorBytes);
  }
  ASSERT_EQ(text.size(), (kernel_.size() + kSectorBytes - 1) / kSectorBytes * kSectorBytes);
  EXPECT_EQ(text.substr(0, kernel_.size()), kernel_);
  EXPECT_THAT((*volume)->Map("/guests/empty").status().message(), HasSubstr("is empty"));
  EXPECT_THAT((*volume)->Map("/sparse").status().message(), HasSubstr("/sparse: has parts that"));
  EXPECT_THAT((*volume)->Map("/guests").status().message(), HasSubstr("Is a directory"));
}

TEST_P(VolumeTest, UsageIsTheFileSystems) {
  Image image(GetParam(), tree_);
  const auto volume = Mount(image);
  ASSERT_NE(volume, nullptr);
  const Usage usage = volume->GetUsage();
  EXPECT_GT(usage.total_kib, 10u << 10);
  EXPECT_LT(usage.total_kib, 16u << 10);
  EXPECT_LT(usage.free_kib, usage.total_kib - 3000);
  EXPECT_LT(usage.available_kib, usage.free_kib);
}

INSTANTIATE_TEST_SUITE_P(Kinds, VolumeTest,
                         testing::Values("-t ext4 -b 4096", "-t ext4 -b 1024", kNoChecksums,
                                         "-t ext3", "-t ext2 -b 2048", "-t ext4 -O ^64bit,bigalloc",
                                         "-t ext4 -g 1024"));

using OddVolumeTest = VolumeTest;

TEST_F(OddVolumeTest, ADamagedJournalIsRefusedWithTheCommand) {
  Image image("-t ext4", tree_, 16, {"feature needs_recovery"});
  EXPECT_NE(Mount(image), nullptr);  // it is empty
  const uint8_t magic[] = {0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 4};
  const auto journal =
      std::search(image.bytes.begin(), image.bytes.end(), std::begin(magic), std::end(magic));
  ASSERT_NE(journal, image.bytes.end());
  journal[12] = 1;  // a byte of its block size
  const auto volume = Volume::Mount(image, 0, image.sectors(), "mmcblk0p2");
  EXPECT_TRUE(absl::IsFailedPrecondition(volume.status())) << volume.status();
  EXPECT_THAT(volume.status().message(), HasSubstr("mmcblk0p2: its journal is damaged"));
  EXPECT_THAT(volume.status().message(), HasSubstr("e2fsck -p /dev/mmcblk0p2"));
}

TEST_F(OddVolumeTest, WhatWasAllocatedButNotWrittenIsZero) {
  Image image("-t ext4", tree_, 16,
              {"write /dev/null /reserved", "set_inode_field /reserved size 40960",
               "fallocate /reserved 0 9"});
  const auto volume = Mount(image);
  ASSERT_NE(volume, nullptr);
  EXPECT_EQ(ReadAll(*volume, "/reserved"), std::string(40960, '\0'));
  EXPECT_TRUE(absl::IsFailedPrecondition(volume->Map("/reserved").status()));
}

TEST_F(OddVolumeTest, NoFileSystemOrAnotherSize) {
  Image image("-t ext4", tree_);
  EXPECT_TRUE(absl::IsDataLoss(Volume::Mount(image, 0, image.sectors() / 2, "vda2").status()));
  EXPECT_TRUE(absl::IsNotFound(Volume::Mount(image, 0, 1, "vda2").status()));
  EXPECT_TRUE(absl::IsNotFound(Volume::Mount(image, 8, image.sectors() - 8, "vda2").status()));
}

// The map of a directory in which all 340 entries of a block, at each of four levels, lead to the
// same block below: a walk would visit 13 billion.
TEST_F(OddVolumeTest, ATreeThatIsNoneEnds) {
  constexpr size_t kBlock = 4096;
  constexpr uint16_t kEntries = 340;
  tree_.Write("levels", absl::StrCat("here", std::string(4 * kBlock - 4, 'x')));
  Image image(kNoChecksums, tree_, 16,
              {"set_inode_field /many block[0] 0x0001f30a",  // one entry
               "set_inode_field /many block[1] 0x00040004",  // of depth 4
               "set_inode_field /many block[3] 0", "set_inode_field /many block[4] 0x12345678",
               "set_inode_field /many block[5] 0"});
  const auto find = [&image](std::string_view text) {
    const auto at = std::search(image.bytes.begin(), image.bytes.end(), text.begin(), text.end());
    EXPECT_NE(at, image.bytes.end());
    return static_cast<size_t>(at - image.bytes.begin());
  };
  const auto first = static_cast<uint32_t>(find("herexxxx") / kBlock);
  const auto directory = static_cast<uint32_t>(find("file-299") / kBlock);
  for (uint16_t depth = 3; depth < 4; --depth) {
    uint8_t* const block = image.bytes.data() + (first + 3 - depth) * kBlock;
    std::memset(block, 0, kBlock);
    const uint16_t header[] = {0xf30a, kEntries, kEntries, depth};
    std::memcpy(block, header, sizeof(header));
    for (uint32_t entry = 0; entry < kEntries; ++entry) {
      uint8_t* const at = block + 12 + size_t{12} * entry;
      const uint32_t below = first + 4 - depth;
      std::memcpy(at, &entry, 4);
      if (depth > 0) {
        std::memcpy(at + 4, &below, 4);
      } else {
        at[4] = 1;  // ee_len
        std::memcpy(at + 8, &directory, 4);
      }
    }
  }
  std::memcpy(image.bytes.data() + find("\x78\x56\x34\x12"), &first, 4);
  const auto volume = Mount(image);
  ASSERT_NE(volume, nullptr);
  const auto listing = volume->List("/many", 1'000'000, 16);
  EXPECT_TRUE(absl::IsDataLoss(listing.status())) << listing.status();
  EXPECT_THAT(listing.status().message(), HasSubstr("/many: damaged: it refers to more blocks"));
}

// Any bytes where the file system's own are: everything ends, soon.
TEST_F(OddVolumeTest, HostileBytes) {
  const char* const rounds_text = std::getenv("PYRENE_ROUNDS");
  const uint64_t rounds = rounds_text != nullptr ? std::strtoull(rounds_text, nullptr, 10) : 200;
  const char* const first_text = std::getenv("PYRENE_FIRST");
  const uint64_t first = first_text != nullptr ? std::strtoull(first_text, nullptr, 10) : 0;
  const Image originals[] = {Image(kNoChecksums, tree_), Image("-t ext3 -b 1024", tree_)};
  unsigned mounted = 0;
  unsigned read = 0;
  for (const Image& original : originals) {
    // Blocks that a mount and the look-ups below read: where changes matter.
    struct Recorder final : BlockSource {
      explicit Recorder(const Image& from) : image(from) {}
      absl::Status Read(uint64_t sector, absl::Span<uint8_t> to) override {
        touched.push_back({sector * kSectorBytes, to.size()});
        return image.Read(sector, to);
      }
      absl::Status Write(uint64_t sector, absl::Span<const uint8_t> from) override {
        return image.Write(sector, from);
      }
      absl::Status Flush() override { return absl::OkStatus(); }
      bool read_only() const override { return false; }
      Image image;
      std::vector<std::pair<uint64_t, size_t>> touched;
    } recorder(original);
    const auto use = [&](Volume& volume) {
      std::vector<uint8_t> buffer(8192);
      for (const char* path : {"/guests/vmlinuz", "/sparse", "/kernel", "/many/file-250"}) {
        for (const uint64_t offset : {0, 700'000, 2'900'000}) {
          const auto part = volume.Read(path, offset, absl::MakeSpan(buffer));
          read += part.ok() ? 1 : 0;
          if (part.ok()) EXPECT_LE(part->bytes, buffer.size());
        }
      }
      for (const char* path : {"/", "/many", "/guests"})
        static_cast<void>(volume.List(path, 3, 16));
      for (const char* path : {"/guests/vmlinuz", "/sparse"}) static_cast<void>(volume.Map(path));
      static_cast<void>(volume.GetUsage());
    };
    {
      auto volume = Volume::Mount(recorder, 0, original.sectors(), "vda2");
      ASSERT_TRUE(volume.ok()) << volume.status();
      use(**volume);
    }
    std::erase_if(recorder.touched, [](const auto& t) { return t.second > 4096; });
    Image image = original;
    for (uint64_t round = first; round < first + rounds / 2; ++round) {
      std::mt19937_64 random(round);
      std::vector<std::pair<size_t, uint8_t>> saved;
      for (uint64_t n = 1 + random() % 12; n-- > 0;) {
        const auto [at, size] = recorder.touched[random() % recorder.touched.size()];
        const size_t byte = at + random() % size;
        saved.push_back({byte, image.bytes[byte]});
        image.bytes[byte] = (random() & 1) != 0 ? static_cast<uint8_t>(random())
                                                : image.bytes[byte] ^ uint8_t(1u << random() % 8);
      }
      image.reads = 0;
      auto volume = Volume::Mount(image, 0, image.sectors(), "vda2");
      if (volume.ok()) {
        ++mounted;
        use(**volume);
      }
      volume = absl::CancelledError();
      EXPECT_LE(image.reads, 16u * Volume::kMaxReads) << "round " << round;
      std::reverse(saved.begin(), saved.end());
      for (const auto& [at, byte] : saved) image.bytes[at] = byte;
    }
  }
  EXPECT_GT(mounted, rounds / 4);
  EXPECT_GT(read, rounds);
}

}  // namespace
}  // namespace pyrene::fs
