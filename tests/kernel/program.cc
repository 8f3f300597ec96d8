// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/program.h"

#include <elf.h>

#include "kernel/abi/bundle.h"
#include "runtime/address_window.h"
#include "runtime/kernel/syscall.h"
#include "tests/kernel/fixture.h"

// Made by the linker: the ELF header, which the first segment begins with.
extern "C" const char __ehdr_start[];

namespace pyrene::kernel_test {
namespace {

const char* bundle;
uint64_t program_page;  // of the bundle's Memory, where the file begins

}  // namespace

bool OpenProgram() {
  const uint64_t pages = (Boot().bundle_offset + Boot().bundle_bytes + kPage - 1) / kPage;
  const uint64_t address = runtime::Window().Allocate(pages);
  if (sys::DomainMap(kSelfDomainCap, Boot().bundle, 0, address, pages, rights::kRead) !=
      Status::kOk)
    return false;
  bundle = reinterpret_cast<const char*>(address + Boot().bundle_offset);
  BundleFile file;
  if (BundleReader::Find(bundle, Boot().bundle_bytes, "init", file) != BundleReader::Result::kFile)
    return false;
  const uint64_t offset = Boot().bundle_offset + static_cast<uint64_t>(file.data - bundle);
  program_page = offset / kPage;
  return offset % kPage == 0;
}

std::string_view CommandLine() {
  BundleFile file;
  if (BundleReader::Find(bundle, Boot().bundle_bytes, "cmdline", file) !=
      BundleReader::Result::kFile)
    return {};
  return {file.data, file.bytes};
}

Status MapProgram(CapIndex domain) {
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(__ehdr_start);
  const auto* segment = reinterpret_cast<const Elf64_Phdr*>(__ehdr_start + header->e_phoff);
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const Elf64_Phdr& s = segment[i];
    if (s.p_type != PT_LOAD || (s.p_flags & PF_W) != 0) continue;
    const uint64_t start = s.p_vaddr & ~(kPage - 1);
    const uint64_t end = (s.p_vaddr + s.p_memsz + kPage - 1) & ~(kPage - 1);
    const Rights rights = rights::kRead | ((s.p_flags & PF_X) != 0 ? rights::kExecute : 0);
    if (Status status = sys::DomainMap(domain, Boot().bundle, program_page + s.p_offset / kPage,
                                       start, (end - start) / kPage, rights);
        status != Status::kOk)
      return status;
  }
  return Status::kOk;
}

}  // namespace pyrene::kernel_test
