// SPDX-License-Identifier: Apache-2.0
#include <elf.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "services/init/elf_image.h"

namespace pyrene::init {
namespace {

// A program with text, constants and variables, as the linker lays it out.
struct File {
  Elf64_Ehdr header = {};
  Elf64_Phdr program[4] = {};
  size_t bytes = 0x5000;

  File() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_EXEC;
    header.e_machine = EM_AARCH64;
    header.e_entry = 0x401010;
    header.e_phoff = sizeof(header);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 4;
    program[0] = Segment(PF_R | PF_X, 0x1000, 0x401000, 0x1800, 0x1800);
    program[1] = Segment(PF_R, 0x3000, 0x403000, 0x1000, 0x1000);
    program[2] = Segment(PF_R | PF_W, 0x4800, 0x405800, 0x100, 0x2000);
    program[3].p_type = PT_NOTE;
  }
  static Elf64_Phdr Segment(uint32_t flags, uint64_t offset, uint64_t address, uint64_t file,
                            uint64_t memory) {
    Elf64_Phdr p = {};
    p.p_type = PT_LOAD;
    p.p_flags = flags;
    p.p_offset = offset;
    p.p_vaddr = address;
    p.p_filesz = file;
    p.p_memsz = memory;
    return p;
  }
  std::vector<uint8_t> Bytes() const {
    std::vector<uint8_t> data(bytes);
    std::memcpy(data.data(), &header, std::min(bytes, sizeof(header)));
    if (bytes >= sizeof(header) + sizeof(program)) {
      std::memcpy(data.data() + sizeof(header), program, sizeof(program));
    }
    return data;
  }
  std::string Problem() const { return std::string(ReadElf(Bytes()).status().message()); }
};

TEST(ElfImageTest, ReadsWhatTheLinkerMakes) {
  const auto image = ReadElf(File().Bytes());
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->entry, 0x401010u);
  ASSERT_EQ(image->segments.size(), 3u);
  EXPECT_TRUE(image->segments[0].execute);
  EXPECT_FALSE(image->segments[0].write);
  EXPECT_EQ(image->segments[0].pages(), 2u);
  EXPECT_TRUE(image->segments[2].write);
  EXPECT_EQ(image->segments[2].first_page(), 0x405u);
  EXPECT_EQ(image->segments[2].pages(), 3u);  // 0x405800..0x4077ff
  EXPECT_EQ(image->WritablePages(), 3u);
}

TEST(ElfImageTest, SaysWhatIsWrong) {
  File file;
  file.bytes = 10;
  EXPECT_EQ(file.Problem(), "it is truncated: shorter than an ELF header");
  file = File();
  file.bytes = 100;
  EXPECT_EQ(file.Problem(), "it is truncated: the program headers lie behind its end");
  file = File();
  file.bytes = 0x4880;
  EXPECT_EQ(file.Problem(),
            "it is truncated: the segment at 0x405800 ends at byte 18688 of a file of 18560");
  file = File();
  file.header.e_ident[0] = 'x';
  EXPECT_EQ(file.Problem(), "it is not a 64-bit little-endian ELF file");
  file = File();
  file.header.e_machine = EM_X86_64;
  EXPECT_EQ(file.Problem(), "it is not a static AArch64 program");
  file = File();
  file.header.e_type = ET_DYN;
  EXPECT_EQ(file.Problem(), "it is not a static AArch64 program");
  file = File();
  file.header.e_phentsize = 1;
  EXPECT_EQ(file.Problem(), "its program headers have another size");
  file = File();
  file.program[2].p_flags |= PF_X;
  EXPECT_EQ(file.Problem(), "a segment is both writable and executable");
  file = File();
  file.program[1].p_vaddr += 8;
  EXPECT_EQ(file.Problem(), "a segment is not aligned to pages");
  file = File();
  file.program[1].p_memsz += 8;
  EXPECT_EQ(file.Problem(), "a segment's sizes in file and memory do not fit together");
  file = File();
  file.program[1].p_vaddr = 0x402000;
  EXPECT_EQ(file.Problem(), "two segments share a page");
  file = File();
  file.program[2].p_memsz = 0x10000000;
  EXPECT_EQ(file.Problem(), "the segment at 0x405800 is outside a program's addresses");
  file = File();
  file.program[0].p_vaddr = 0x1000;  // would cover the start page
  EXPECT_EQ(file.Problem(), "the segment at 0x1000 is outside a program's addresses");
  file = File();
  file.header.e_entry = 0x403010;
  EXPECT_EQ(file.Problem(), "its entry point is in no executable segment");
  file = File();
  file.header.e_phnum = 0;
  EXPECT_EQ(file.Problem(), "its entry point is in no executable segment");
}

// Whatever stands in a file: an answer, and on success only what can be loaded.
TEST(ElfImageTest, DamagedFilesAreRefusedOrSafe) {
  const char* const text = std::getenv("PYRENE_ROUNDS");
  const int rounds = text == nullptr ? 20000 : std::atoi(text);
  std::mt19937_64 random(3);
  const std::vector<uint8_t> whole = File().Bytes();
  for (int round = 0; round < rounds; ++round) {
    std::vector<uint8_t> bytes = whole;
    const unsigned changes = 1 + random() % 4;
    for (unsigned i = 0; i < changes; ++i) {
      bytes[random() % (sizeof(Elf64_Ehdr) + 4 * sizeof(Elf64_Phdr))] =
          static_cast<uint8_t>(random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    const auto image = ReadElf(bytes);
    if (!image.ok()) continue;
    uint64_t next_page = 0;
    for (const ElfSegment& segment : image->segments) {
      ASSERT_LE(segment.offset, bytes.size());
      ASSERT_LE(segment.file_bytes, bytes.size() - segment.offset);
      ASSERT_LE(segment.file_bytes, segment.memory_bytes);
      ASSERT_GE(segment.first_page(), next_page);
      ASSERT_FALSE(segment.write && segment.execute);
      next_page = segment.first_page() + segment.pages();
    }
  }
}

}  // namespace
}  // namespace pyrene::init
