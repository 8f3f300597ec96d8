// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory.h"

#include "kernel/abi/boot_info.h"
#include "runtime/address_window.h"
#include "runtime/kernel/error.h"
#include "runtime/kernel/syscall.h"

namespace pyrene::runtime {
namespace {

constexpr uint64_t kWindowEnd = uint64_t{1} << 39;  // 39-bit stage-2 addresses
constexpr uint64_t kBlockBytes = 2 << 20;

uint64_t AlignmentFor(uint64_t pages) {
  return pages * kPageBytes >= kBlockBytes ? kBlockBytes : kPageBytes;
}

}  // namespace

AddressWindow& Window() {
  static AddressWindow window(kWindowAddress, kWindowEnd);
  return window;
}

absl::StatusOr<uint64_t> Memory::PagesOf(Handle handle) {
  const sys::MemoryFacts facts = sys::MemoryInfo(handle);
  if (facts.status != Status::kOk) return ToStatus(facts.status, "memory_info");
  return facts.pages;
}

absl::StatusOr<Memory> Memory::Map(Handle handle, Access access, uint64_t first_page,
                                   uint64_t pages) {
  if (pages == 0) {
    const absl::StatusOr<uint64_t> all = PagesOf(handle);
    if (!all.ok()) return all.status();
    if (first_page >= *all) return absl::OutOfRangeError("domain_map: beyond the memory's end");
    pages = *all - first_page;
  }
  const uint64_t address = Window().Allocate(pages, AlignmentFor(pages));
  if (address == 0) return absl::ResourceExhaustedError("domain_map: no addresses left");
  const Rights rights =
      access == Access::kRead ? rights::kRead : Rights{rights::kRead | rights::kWrite};
  if (const Status status =
          sys::DomainMap(kSelfDomainCap, handle, first_page, address, pages, rights);
      status != Status::kOk) {
    // A part may be mapped.
    if (sys::DomainUnmap(kSelfDomainCap, address, pages) == Status::kOk)
      Window().Free(address, pages);
    return ToStatus(status, "domain_map");
  }
  Memory memory;
  memory.data_ = reinterpret_cast<uint8_t*>(address);
  memory.size_ = pages * kPageBytes;
  return memory;
}

void Memory::Unmap() {
  if (data_ == nullptr) return;
  const uint64_t address = reinterpret_cast<uint64_t>(data_);
  const uint64_t pages = size_ / kPageBytes;
  data_ = nullptr;
  size_ = 0;
  // If the kernel refuses, the addresses stay taken: what is still mapped must not be handed out
  // again.
  if (sys::DomainUnmap(kSelfDomainCap, address, pages) == Status::kOk)
    Window().Free(address, pages);
}

}  // namespace pyrene::runtime
