// SPDX-License-Identifier: Apache-2.0
//
// Tables that sfdisk wrote, and the same with bytes changed.
#include "platform/block/partition_table.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "platform/block/crc32.h"
#include "platform/block/disk.h"

namespace pyrene::block {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kSectors = 64 * 2048;  // 64 MiB

// An image in memory: the sectors at its begin and end, zeros between.
class Image {
 public:
  Image() : bytes_(kSectors * kSectorBytes) {}

  // What sfdisk makes of `script`.
  explicit Image(const std::string& script) : Image() {
    char name[] = "/tmp/partitionsXXXXXX";
    const int fd = mkstemp(name);
    EXPECT_GE(fd, 0);
    EXPECT_EQ(ftruncate(fd, static_cast<off_t>(bytes_.size())), 0);
    close(fd);
    const std::string command =
        absl::StrCat("printf '", script, "' | PATH=$PATH:/usr/sbin sfdisk -q ", name, " 2>&1");
    EXPECT_EQ(std::system(command.c_str()), 0);
    std::ifstream(name, std::ios::binary)
        .read(reinterpret_cast<char*>(bytes_.data()), static_cast<std::streamsize>(bytes_.size()));
    unlink(name);
  }

  uint8_t* Sector(uint64_t sector) { return bytes_.data() + sector * kSectorBytes; }

  absl::StatusOr<PartitionTable> Read(uint32_t sector_bytes = kSectorBytes) {
    reads_ = 0;
    const auto read = [this](uint64_t sector, absl::Span<uint8_t> to) {
      EXPECT_EQ(to.size() % kSectorBytes, 0u);
      EXPECT_LE(to.size(), kMaxTableRead);
      EXPECT_LE(sector * kSectorBytes + to.size(), bytes_.size());
      std::memcpy(to.data(), Sector(sector), to.size());
      ++reads_;
      return absl::OkStatus();
    };
    return ReadPartitionTable(read, kSectors, sector_bytes);
  }
  unsigned reads() const { return reads_; }

  // After a change of a GPT: the header at `sector` and its array have right checksums again.
  void Seal(uint64_t sector) {
    uint8_t* const header = Sector(sector);
    uint64_t array;
    uint32_t entries, bytes;
    std::memcpy(&array, header + 72, sizeof(array));
    std::memcpy(&entries, header + 80, sizeof(entries));
    std::memcpy(&bytes, header + 84, sizeof(bytes));
    if (array < kSectors && uint64_t{entries} * bytes <= (kSectors - array) * kSectorBytes) {
      const uint32_t crc = Crc32({Sector(array), size_t{entries} * bytes});
      std::memcpy(header + 88, &crc, sizeof(crc));
    }
    std::memset(header + 16, 0, 4);
    const uint32_t crc = Crc32({header, 92});
    std::memcpy(header + 16, &crc, sizeof(crc));
  }

 private:
  std::vector<uint8_t> bytes_;
  unsigned reads_ = 0;
};

std::vector<std::string> Describe(const PartitionTable& table) {
  std::vector<std::string> lines;
  for (const Partition& p : table.partitions)
    lines.push_back(absl::StrCat(p.number, ": ", p.first, "+", p.sectors));
  return lines;
}

constexpr char kMbr[] = "label: dos\\n2048,8M,c,*\\n,16M,83\\n,8M,82\\n";
constexpr char kLogical[] =
    "label: dos\\n2048,8M,c\\n,40M,5\\n,4M,83\\n,,83\\n,4M,83\\n,4M,83\\n,4M,82\\n";
constexpr char kGpt[] = "label: gpt\\n2048,8M,U\\n,16M,L\\n";
constexpr uint64_t kLast = kSectors - 1;

TEST(PartitionTableTest, NothingThere) {
  Image image;
  const auto table = image.Read();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->scheme, PartitionTable::Scheme::kNone);
  EXPECT_THAT(table->partitions, IsEmpty());
}

TEST(PartitionTableTest, FileSystemWithoutTable) {
  Image image;
  std::memset(image.Sector(0), 0x6f, kSectorBytes);
  image.Sector(0)[510] = 0x55;
  image.Sector(0)[511] = 0xaa;
  const auto table = image.Read();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->scheme, PartitionTable::Scheme::kNone);
}

TEST(PartitionTableTest, Mbr) {
  Image image(kMbr);
  const auto table = image.Read();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->scheme, PartitionTable::Scheme::kMbr);
  EXPECT_THAT(Describe(*table), ElementsAre("1: 2048+16384", "2: 18432+32768", "3: 51200+16384"));
  EXPECT_EQ(table->partitions[0].mbr_type, 0x0c);
  EXPECT_EQ(table->partitions[1].mbr_type, 0x83);
  EXPECT_THAT(table->problems, IsEmpty());
}

TEST(PartitionTableTest, Logical) {
  Image image(kLogical);
  const auto table = image.Read();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(table->problems, IsEmpty());
  // As `sfdisk -l` says, without the extended one, number 2.
  EXPECT_THAT(Describe(*table), ElementsAre("1: 2048+16384", "3: 100352+8192", "4: 108544+22528",
                                            "5: 20480+8192", "6: 30720+8192", "7: 40960+8192"));
}

TEST(PartitionTableTest, Gpt) {
  Image image(kGpt);
  const auto table = image.Read();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->scheme, PartitionTable::Scheme::kGpt);
  EXPECT_FALSE(table->from_backup);
  EXPECT_THAT(Describe(*table), ElementsAre("1: 2048+16384", "2: 18432+32768"));
  EXPECT_EQ(table->partitions[0].gpt_type[0], 0x28);  // C12A7328-…, the EFI system partition
}

TEST(PartitionTableTest, GptFromBackup) {
  for (const uint64_t damaged : {1, 2}) {  // header, array
    Image image(kGpt);
    image.Sector(damaged)[60] ^= 1;
    const auto table = image.Read();
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_TRUE(table->from_backup);
    EXPECT_THAT(Describe(*table), ElementsAre("1: 2048+16384", "2: 18432+32768"));
    EXPECT_THAT(table->problems, ElementsAre(HasSubstr("the first copy of the GPT is damaged")));
  }
}

TEST(PartitionTableTest, GptDamagedTwice) {
  Image image(kGpt);
  image.Sector(1)[60] ^= 1;
  image.Sector(kLast)[60] ^= 1;
  const auto table = image.Read();
  EXPECT_TRUE(absl::IsDataLoss(table.status())) << table.status();
}

TEST(PartitionTableTest, GptKeepsNumbersOfGaps) {
  Image image(kGpt);
  for (const uint64_t header : {uint64_t{1}, kLast}) {
    const uint64_t array = header == 1 ? 2 : kSectors - 33;
    std::memcpy(image.Sector(array) + 5 * 128, image.Sector(array) + 128, 128);
    std::memset(image.Sector(array) + 128, 0, 128);
    image.Seal(header);
  }
  const auto table = image.Read();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(Describe(*table), ElementsAre("1: 2048+16384", "6: 18432+32768"));
}

TEST(PartitionTableTest, OverlappingOnesAreNotOffered) {
  Image image(kMbr);
  image.Sector(0)[446 + 16 + 9] -= 4;  // the second begins 1,024 sectors earlier
  const auto table = image.Read();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(Describe(*table), ElementsAre("3: 51200+16384"));
  EXPECT_THAT(table->problems, ElementsAre(HasSubstr("partitions 1 and 2 overlap")));
}

TEST(PartitionTableTest, BeyondTheDisk) {
  Image image(kMbr);
  image.Sector(0)[446 + 32 + 15] = 0x7f;
  const auto table = image.Read();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(Describe(*table), ElementsAre("1: 2048+16384", "2: 18432+32768"));
  EXPECT_THAT(table->problems, ElementsAre(HasSubstr("partition 3 does not lie within the disk")));
}

TEST(PartitionTableTest, ACircleOfLogicalOnesEnds) {
  Image image(kLogical);
  // The third link leads to the second: 28672 - 18432.
  const uint32_t second = 10240;
  std::memcpy(image.Sector(38912) + 446 + 16 + 8, &second, sizeof(second));
  image.Sector(38912)[446 + 16 + 4] = 5;
  image.Sector(38912)[446 + 16 + 12] = 1;
  const auto table = image.Read();
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_THAT(Describe(*table), testing::SizeIs(6));
  EXPECT_THAT(table->problems, ElementsAre(HasSubstr("runs in a circle")));
}

TEST(PartitionTableTest, ReadErrorsAreTold) {
  Image image(kGpt);
  const auto broken = [&image](uint64_t sector, absl::Span<uint8_t> to) {
    if (sector >= 2) return absl::UnavailableError("no medium");
    std::memcpy(to.data(), image.Sector(sector), to.size());
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsUnavailable(ReadPartitionTable(broken, kSectors, kSectorBytes).status()));
}

TEST(PartitionTableTest, Names) {
  EXPECT_EQ(PartitionName("mmcblk0", 2), "mmcblk0p2");
  EXPECT_EQ(PartitionName("vda", 12), "vda12");
  EXPECT_EQ(PartitionName("vda", 0), "vda");
  Image image(kMbr);
  const auto table = image.Read();
  ASSERT_TRUE(table.ok()) << table.status();
  const auto find = [&](const char* name) {
    return FindPartition(*table, "mmcblk0", kSectors, name);
  };
  ASSERT_TRUE(find("/dev/mmcblk0p2").ok());
  EXPECT_EQ(find("/dev/mmcblk0p2")->first, 18432u);
  ASSERT_TRUE(find("mmcblk0").ok());
  EXPECT_EQ(find("mmcblk0")->sectors, kSectors);
  for (const char* name : {"mmcblk0p4", "mmcblk02", "mmcblk0p02", "vda1", "", "/dev/"})
    EXPECT_TRUE(absl::IsNotFound(find(name).status())) << name;
}

// Whatever is on the disk: it ends, soon, and what is offered lies within the disk and apart.
TEST(PartitionTableTest, HostileBytes) {
  const char* const rounds_text = std::getenv("PYRENE_ROUNDS");
  const uint64_t rounds = rounds_text != nullptr ? std::strtoull(rounds_text, nullptr, 10) : 2000;
  const char* const first_text = std::getenv("PYRENE_FIRST");
  const uint64_t first = first_text != nullptr ? std::strtoull(first_text, nullptr, 10) : 0;
  const Image originals[] = {Image(kMbr), Image(kLogical), Image(kGpt)};
  const std::vector<uint64_t> sectors[] = {
      {0}, {0, 18432, 28672, 38912}, {0, 1, 2, 3, kLast, kSectors - 33}};
  unsigned offered = 0;
  for (size_t kind = 0; kind < std::size(originals); ++kind) {
    Image image = originals[kind];
    for (uint64_t round = first; round < first + rounds / 3; ++round) {
      std::mt19937_64 random(round * 3 + kind);
      std::vector<std::pair<uint64_t, std::vector<uint8_t>>> saved;
      for (const uint64_t sector : sectors[kind])
        saved.push_back({sector, {image.Sector(sector), image.Sector(sector) + kSectorBytes}});
      const auto change = [&] {
        const uint64_t sector = sectors[kind][random() % sectors[kind].size()];
        const size_t base = sector == 0 || kind == 1 ? 446 : 0;
        uint8_t* const at = image.Sector(sector) + base + random() % (510 - base);
        *at = (random() & 1) != 0 ? static_cast<uint8_t>(random())
                                  : static_cast<uint8_t>(*at ^ 1u << random() % 8);
      };
      for (uint64_t n = random() % 8; n-- > 0;) change();
      const bool seal = kind == 2 && (random() & 3) != 0;
      if (seal) {
        image.Seal(1);
        image.Seal(kLast);
      }
      const auto table = image.Read((random() & 7) != 0 ? 512 : 4096);
      EXPECT_LE(image.reads(), 2 * (2 + kMaxGptEntries)) << "round " << round;
      if (table.ok()) {
        uint64_t total = 0;
        for (const Partition& p : table->partitions) {
          EXPECT_GT(p.sectors, 0u);
          EXPECT_LE(p.first + p.sectors, kSectors);
          total += p.sectors;
          ++offered;
        }
        EXPECT_LE(total, kSectors) << "round " << round;
      } else {
        EXPECT_TRUE(absl::IsDataLoss(table.status())) << table.status();
      }
      for (const auto& [sector, bytes] : saved)
        std::memcpy(image.Sector(sector), bytes.data(), bytes.size());
    }
  }
  EXPECT_GT(offered, rounds);  // the rounds do not all end at the first check
}

}  // namespace
}  // namespace pyrene::block
