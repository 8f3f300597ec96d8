// SPDX-License-Identifier: Apache-2.0
#include <elf.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/boot/elf.h"
#include "tests/unit/kernel_test_util.h"

namespace pyrene {
namespace {

// A program with `programs`, and `bytes` bytes behind its headers.
std::string Elf(const std::vector<Elf64_Phdr>& programs, size_t bytes = 0x400) {
  Elf64_Ehdr header = {};
  memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_EXEC;
  header.e_machine = EM_AARCH64;
  header.e_entry = 0x401234;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<uint16_t>(programs.size());
  std::string file(reinterpret_cast<const char*>(&header), sizeof(header));
  for (const Elf64_Phdr& program : programs)
    file.append(reinterpret_cast<const char*>(&program), sizeof(program));
  return file + std::string(bytes, '\0');
}

Elf64_Phdr Load(uint64_t offset, uint64_t address, uint64_t file_bytes, uint64_t memory_bytes,
                uint32_t flags = PF_R) {
  return {PT_LOAD, flags, offset, address, address, file_bytes, memory_bytes, 0x1000};
}

// From memory of exactly its size, so that a sanitizer sees a read beyond.
const char* Parse(const std::string& file, ElfImage& image) {
  const std::unique_ptr<char[]> copy(new char[file.size()]);
  memcpy(copy.get(), file.data(), file.size());
  return ParseElf(copy.get(), file.size(), image);
}
bool Refused(const std::string& file) {
  ElfImage image;
  return Parse(file, image) != nullptr;
}

TEST(KernelElf, SegmentsAndEntry) {
  ElfImage image;
  ASSERT_EQ(Parse(Elf({Load(0, 0x400000, 0x100, 0x100, PF_R | PF_X),
                       {PT_NOTE, 0, 0, 0, 0, 0, 0, 0},
                       Load(0x100, 0x501100, 0x80, 0x2000, PF_R | PF_W),
                       Load(0, 0x600000, 0, 0)}),
                  image),
            nullptr);
  EXPECT_EQ(image.entry, 0x401234u);
  ASSERT_EQ(image.segments, 2u);
  EXPECT_EQ(image.segment[0].address, 0x400000u);
  EXPECT_TRUE(image.segment[0].execute);
  EXPECT_FALSE(image.segment[0].write);
  EXPECT_EQ(image.segment[1].offset, 0x100u);
  EXPECT_EQ(image.segment[1].file_bytes, 0x80u);
  EXPECT_EQ(image.segment[1].memory_bytes, 0x2000u);
  EXPECT_TRUE(image.segment[1].write);
  EXPECT_FALSE(image.segment[1].execute);
}

TEST(KernelElf, WrongKindsOfFile) {
  const std::string good = Elf({Load(0, 0x400000, 0x100, 0x100)});
  ASSERT_FALSE(Refused(good));
  const auto with = [&good](size_t at, char value) {
    std::string bad = good;
    bad[at] = value;
    return bad;
  };
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(Refused(with(i, 'x')));
  EXPECT_TRUE(Refused(with(EI_CLASS, ELFCLASS32)));
  EXPECT_TRUE(Refused(with(EI_DATA, ELFDATA2MSB)));
  EXPECT_TRUE(Refused(with(offsetof(Elf64_Ehdr, e_type), ET_DYN)));
  EXPECT_TRUE(Refused(with(offsetof(Elf64_Ehdr, e_machine), EM_X86_64)));
  EXPECT_TRUE(Refused(with(offsetof(Elf64_Ehdr, e_phentsize), 32)));
  EXPECT_TRUE(Refused(Elf({})));
  EXPECT_TRUE(Refused(Elf({{PT_NOTE, 0, 0, 0, 0, 0, 0, 0}}))) << "nothing to load";
}

TEST(KernelElf, SegmentsBehindTheEnd) {
  const uint64_t size = Elf({Load(0, 0, 0, 1)}).size();
  EXPECT_FALSE(Refused(Elf({Load(0, 0, size, size)})));
  EXPECT_TRUE(Refused(Elf({Load(0, 0, size + 1, size + 1)})));
  EXPECT_TRUE(Refused(Elf({Load(size, 0, 1, 1)})));
  EXPECT_TRUE(Refused(Elf({Load(size + 1, 0, 0, 1)})));
  EXPECT_TRUE(Refused(Elf({Load(~uint64_t{0}, 0, 1, 1)}))) << "a sum that wraps";
  EXPECT_TRUE(Refused(Elf({Load(1, 0, ~uint64_t{0}, ~uint64_t{0})})));
  EXPECT_TRUE(Refused(Elf({Load(0, 0, 16, 8)}))) << "larger in the file than in memory";
}

TEST(KernelElf, HeadersBehindTheEnd) {
  std::string file = Elf({Load(0, 0, 1, 1)});
  auto* header = reinterpret_cast<Elf64_Ehdr*>(file.data());
  for (const uint64_t offset :
       {uint64_t{file.size()}, uint64_t{file.size() - 10}, ~uint64_t{0}, ~uint64_t{63}}) {
    header->e_phoff = offset;
    EXPECT_TRUE(Refused(file)) << offset;
  }
  header->e_phoff = sizeof(Elf64_Ehdr);
  header->e_phnum = 0xffff;
  EXPECT_TRUE(Refused(file));
}

TEST(KernelElf, AsManySegmentsAsFit) {
  std::vector<Elf64_Phdr> programs(ElfImage::kMaxSegments, Load(0, 0x400000, 1, 1));
  EXPECT_FALSE(Refused(Elf(programs)));
  programs.push_back(programs[0]);
  EXPECT_TRUE(Refused(Elf(programs)));
}

TEST(KernelElf, TruncatedAtEveryByte) {
  const std::string file =
      Elf({Load(0, 0x400000, 0x100, 0x100), Load(0x100, 0x500000, 0x300, 0x300)});
  ASSERT_FALSE(Refused(file));
  const size_t needed = 0x400;
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_EQ(Refused(file.substr(0, size)), size < needed) << size;
}

// What it accepts lies inside the file.
TEST(KernelElf, RandomDamage) {
  std::mt19937_64 random(kernel_test::Seed());
  const std::string file =
      Elf({Load(0, 0x400000, 0x100, 0x100), Load(0x100, 0x500000, 0x100, 0x300)});
  for (uint64_t round = 0; round < kernel_test::Rounds(50000); ++round) {
    std::string bad = file;
    for (unsigned i = 0; i <= random() % 4; ++i) bad[random() % 200] = static_cast<char>(random());
    ElfImage image;
    if (Parse(bad, image) != nullptr) continue;
    ASSERT_LE(image.segments, ElfImage::kMaxSegments);
    for (unsigned i = 0; i < image.segments; ++i) {
      const ElfSegment& segment = image.segment[i];
      ASSERT_LE(segment.offset, bad.size());
      ASSERT_LE(segment.file_bytes, bad.size() - segment.offset);
      ASSERT_LE(segment.file_bytes, segment.memory_bytes);
    }
  }
}

}  // namespace
}  // namespace pyrene
