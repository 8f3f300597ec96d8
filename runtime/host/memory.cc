// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "runtime/host/objects.h"

namespace pyrene::runtime {

absl::StatusOr<uint64_t> Memory::PagesOf(Handle handle) {
  const host::Object* const object = host::Find(handle, host::Kind::kMemory);
  if (object == nullptr) return absl::NotFoundError("memory_info: no such memory");
  if (object->pages != 0) return object->pages;
  struct stat facts = {};
  if (fstat(object->descriptor, &facts) != 0) return absl::ErrnoToStatus(errno, "fstat");
  return static_cast<uint64_t>(facts.st_size) / kPageBytes;
}

absl::StatusOr<Memory> Memory::Map(Handle handle, Access access, uint64_t first_page,
                                   uint64_t pages) {
  const absl::StatusOr<uint64_t> all = PagesOf(handle);
  if (!all.ok()) return all.status();
  if (first_page >= *all || pages > *all - first_page) {
    return absl::OutOfRangeError("domain_map: beyond the memory's end");
  }
  if (pages == 0) pages = *all - first_page;
  const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  const host::Object* const object = host::Find(handle, host::Kind::kMemory);
  void* const mapped = mmap(nullptr, pages * kPageBytes, protection, MAP_SHARED, object->descriptor,
                            static_cast<off_t>((object->first_page + first_page) * kPageBytes));
  if (mapped == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap");
  Memory memory;
  memory.data_ = static_cast<uint8_t*>(mapped);
  memory.size_ = pages * kPageBytes;
  return memory;
}

void Memory::Unmap() {
  if (data_ != nullptr) munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

}  // namespace pyrene::runtime
