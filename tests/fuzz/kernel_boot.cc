// SPDX-License-Identifier: Apache-2.0
//
// What the kernel parses at boot: the bundle's archive, init's ELF file, the device tree. The first
// byte says which.
#include <libfdt.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "kernel/abi/bundle.h"
#include "kernel/boot/elf.h"
#include "kernel/boot/machine.h"

namespace {

using pyrene::BundleFile;
using pyrene::BundleReader;

void Require(bool condition) {
  if (!condition) abort();
}

void Elf(const char* data, size_t size) {
  pyrene::ElfImage image;
  if (pyrene::ParseElf(data, size, image) != nullptr) return;
  Require(image.segments <= pyrene::ElfImage::kMaxSegments);
  for (unsigned i = 0; i < image.segments; ++i) {
    const pyrene::ElfSegment& segment = image.segment[i];
    Require(segment.offset <= size && segment.file_bytes <= size - segment.offset &&
            segment.file_bytes <= segment.memory_bytes);
  }
}

void Bundle(const char* data, size_t size) {
  BundleReader reader(data, size);
  BundleFile file;
  while (reader.Next(file) == BundleReader::Result::kFile) {
    Require(file.data >= data && file.bytes <= size - static_cast<size_t>(file.data - data));
    Require(memchr(file.name, '\0', size - static_cast<size_t>(file.name - data)) != nullptr);
    // init is found in it, if it is one.
    Elf(file.data, file.bytes);
  }
}

void DeviceTree(const char* data, size_t size) {
  // Aligned as the boot loader has to.
  void* tree = aligned_alloc(8, (size + 7) & ~size_t{7});
  memcpy(tree, data, size);
  // The kernel makes this check first.
  if (size >= sizeof(fdt_header) && fdt_magic(tree) == FDT_MAGIC &&
      fdt_check_full(tree, size) == 0) {
    pyrene::Machine machine;
    static_cast<void>(pyrene::ReadDeviceTree(tree, machine));
    Require(machine.cpus <= pyrene::kMaxCpus && machine.model[sizeof(machine.model) - 1] == '\0');
  }
  free(tree);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const char* const input = reinterpret_cast<const char*>(data) + 1;
  switch (data[0] % 3) {
    case 0:
      Elf(input, size - 1);
      break;
    case 1:
      Bundle(input, size - 1);
      break;
    default:
      DeviceTree(input, size - 1);
      break;
  }
  return 0;
}
