// SPDX-License-Identifier: Apache-2.0
#include "kernel/boot/elf.h"

#include "kernel/lib/bytes.h"

namespace pyrene {
namespace {

struct Header {
  unsigned char ident[16];
  uint16_t type, machine;
  uint32_t version;
  uint64_t entry, program_offset, section_offset;
  uint32_t flags;
  uint16_t header_bytes, program_entry_bytes, programs, section_entry_bytes, sections, names;
};
struct Program {
  uint32_t type, flags;
  uint64_t offset, address, physical, file_bytes, memory_bytes, alignment;
};

constexpr uint16_t kExecutable = 2;
constexpr uint16_t kAarch64 = 183;
constexpr uint32_t kLoad = 1;
constexpr uint32_t kFlagExecute = 1;
constexpr uint32_t kFlagWrite = 2;
constexpr unsigned char kIdent[] = {0x7f, 'E', 'L', 'F', 2 /* 64 bit */, 1 /* little-endian */};

}  // namespace

const char* ParseElf(const char* file, uint64_t bytes, ElfImage& image) {
  Header header;
  if (bytes < sizeof(header)) return "it is shorter than an ELF header";
  CopyBytes(&header, file, sizeof(header));
  if (memcmp(header.ident, kIdent, sizeof(kIdent)) != 0) return "it is not a 64-bit ELF file";
  if (header.type != kExecutable || header.machine != kAarch64)
    return "it is not a static AArch64 executable";
  if (header.program_entry_bytes != sizeof(Program))
    return "its program headers have an unknown size";
  if (header.program_offset > bytes ||
      uint64_t{header.programs} * sizeof(Program) > bytes - header.program_offset)
    return "it is truncated: program headers lie behind its end";
  image.entry = header.entry;
  image.segments = 0;
  for (unsigned i = 0; i < header.programs; ++i) {
    Program program;
    CopyBytes(&program, file + header.program_offset + i * sizeof(Program), sizeof(program));
    if (program.type != kLoad || program.memory_bytes == 0) continue;
    if (image.segments == ElfImage::kMaxSegments) return "it has too many segments";
    if (program.offset > bytes || program.file_bytes > bytes - program.offset)
      return "it is truncated: a segment lies behind its end";
    if (program.memory_bytes < program.file_bytes)
      return "a segment is larger in the file than in memory";
    image.segment[image.segments++] = {program.offset,
                                       program.address,
                                       program.file_bytes,
                                       program.memory_bytes,
                                       (program.flags & kFlagWrite) != 0,
                                       (program.flags & kFlagExecute) != 0};
  }
  return image.segments == 0 ? "it has nothing to load" : nullptr;
}

}  // namespace pyrene
