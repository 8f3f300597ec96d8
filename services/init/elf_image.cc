// SPDX-License-Identifier: Apache-2.0
#include "services/init/elf_image.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "kernel/abi/boot_info.h"

namespace pyrene::init {
namespace {

constexpr uint64_t kPageMask = 4095;

absl::Status Bad(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::Status CheckHeader(const Elf64_Ehdr& header, size_t bytes) {
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return Bad("it is not a 64-bit little-endian ELF file");
  }
  if (header.e_type != ET_EXEC || header.e_machine != EM_AARCH64) {
    return Bad("it is not a static AArch64 program");
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return Bad("its program headers have another size");
  if (header.e_phoff > bytes || header.e_phnum * sizeof(Elf64_Phdr) > bytes - header.e_phoff) {
    return Bad("it is truncated: the program headers lie behind its end");
  }
  return absl::OkStatus();
}

absl::Status CheckSegment(const Elf64_Phdr& p, size_t bytes) {
  if (p.p_offset > bytes || p.p_filesz > bytes - p.p_offset) {
    return Bad(absl::StrCat("it is truncated: the segment at 0x", absl::Hex(p.p_vaddr),
                            " ends at byte ", p.p_offset + p.p_filesz, " of a file of ", bytes));
  }
  if (p.p_vaddr < kLowestProgramAddress || p.p_vaddr >= kHeapAddress ||
      p.p_memsz > kHeapAddress - p.p_vaddr) {
    return Bad(absl::StrCat("the segment at 0x", absl::Hex(p.p_vaddr),
                            " is outside a program's addresses"));
  }
  if (((p.p_offset ^ p.p_vaddr) & kPageMask) != 0) return Bad("a segment is not aligned to pages");
  const bool write = (p.p_flags & PF_W) != 0;
  if (write && (p.p_flags & PF_X) != 0) return Bad("a segment is both writable and executable");
  if (p.p_memsz < p.p_filesz || (!write && p.p_memsz != p.p_filesz)) {
    return Bad("a segment's sizes in file and memory do not fit together");
  }
  return absl::OkStatus();
}

}  // namespace

uint64_t ElfImage::WritablePages() const {
  uint64_t pages = 0;
  for (const ElfSegment& segment : segments) pages += segment.write ? segment.pages() : 0;
  return pages;
}

absl::StatusOr<ElfImage> ReadElf(absl::Span<const uint8_t> file) {
  Elf64_Ehdr header;
  if (file.size() < sizeof(header)) return Bad("it is truncated: shorter than an ELF header");
  std::memcpy(&header, file.data(), sizeof(header));
  if (absl::Status status = CheckHeader(header, file.size()); !status.ok()) return status;
  ElfImage image;
  image.entry = header.e_entry;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr p;
    std::memcpy(&p, file.data() + header.e_phoff + i * sizeof(p), sizeof(p));
    if (p.p_type != PT_LOAD || p.p_memsz == 0) continue;
    if (absl::Status status = CheckSegment(p, file.size()); !status.ok()) return status;
    if (image.segments.size() == ElfImage::kMaxSegments) return Bad("it has too many segments");
    image.segments.push_back({p.p_offset, p.p_vaddr, p.p_filesz, p.p_memsz, (p.p_flags & PF_W) != 0,
                              (p.p_flags & PF_X) != 0});
  }
  std::sort(image.segments.begin(), image.segments.end(),
            [](const ElfSegment& a, const ElfSegment& b) { return a.address < b.address; });
  bool entry_found = false;
  for (size_t i = 0; i < image.segments.size(); ++i) {
    const ElfSegment& segment = image.segments[i];
    if (i + 1 < image.segments.size() &&
        segment.first_page() + segment.pages() > image.segments[i + 1].first_page()) {
      return Bad("two segments share a page");
    }
    entry_found |= segment.execute && image.entry >= segment.address &&
                   image.entry - segment.address < segment.memory_bytes;
  }
  if (!entry_found) return Bad("its entry point is in no executable segment");
  return image;
}

}  // namespace pyrene::init
