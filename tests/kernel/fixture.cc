// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/fixture.h"

#include <cstdlib>

#include "kernel/abi/bundle.h"
#include "runtime/address_window.h"
#include "runtime/kernel/cap_allocator.h"
#include "tests/kernel/program.h"

namespace pyrene::kernel_test {
namespace {

// The largest range of free RAM.
const BootMemory& RamSource() {
  const BootMemory* best = nullptr;
  for (uint32_t i = 0; i < Boot().memories; ++i) {
    const BootMemory& memory = Boot().memory[i];
    if (memory.type == static_cast<uint32_t>(MemoryType::kRam) &&
        (best == nullptr || memory.pages > best->pages))
      best = &memory;
  }
  return *best;
}

}  // namespace

const BootInfo& Boot() { return *reinterpret_cast<const BootInfo*>(kStartInfoAddress); }

uint64_t Option(std::string_view name, uint64_t standard) {
  std::string_view rest = CommandLine();
  while (!rest.empty()) {
    const size_t end = std::min(rest.find_first_of(" \n"), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (word.size() > name.size() && word.substr(0, name.size()) == name &&
        word[name.size()] == '=')
      return strtoull(std::string(word.substr(name.size() + 1)).c_str(), nullptr, 0);
  }
  return standard;
}

uint64_t InMicroseconds(uint64_t microseconds) {
  return sys::Ticks() + sys::TickFrequency() * microseconds / 1000000;
}

void Sleep(uint64_t microseconds) {
  static const CapIndex notification = [] {
    const CapIndex cap = runtime::Caps().Allocate();
    if (sys::NotificationCreate(cap) != Status::kOk) abort();
    return cap;
  }();
  static_cast<void>(sys::NotificationWait(notification, 1, InMicroseconds(microseconds)));
}

bool Eventually(const std::function<bool()>& condition) {
  const uint64_t deadline = Soon();
  while (!condition()) {
    if (sys::Ticks() > deadline) return condition();
    Sleep(500);
  }
  return true;
}

void KernelTest::SetUp() {
  // What stays for good is made before any test looks at this domain's account: the notification of
  // Sleep, and every page of the capability table.
  Sleep(1);
  static const bool table_complete = [] {
    constexpr CapIndex kSlotsPerPage = 64;
    for (CapIndex index = kSlotsPerPage; index < kMaxCaps; index += kSlotsPerPage) {
      if (sys::NotificationCreate(index) != Status::kOk || sys::CapDelete(index) != Status::kOk)
        return false;
    }
    return true;
  }();
  ASSERT_TRUE(table_complete);
}

void KernelTest::TearDown() {
  for (auto range = ranges_.rbegin(); range != ranges_.rend(); ++range) {
    static_cast<void>(sys::DomainUnmap(kSelfDomainCap, range->address, range->pages));
    runtime::Window().Free(range->address, range->pages);
  }
  for (auto slot = slots_.rbegin(); slot != slots_.rend(); ++slot) {
    static_cast<void>(sys::CapDelete(*slot));
    runtime::Caps().Free(*slot);
  }
  ranges_.clear();
  slots_.clear();
  ram_taken_ = 0;
}

CapIndex KernelTest::Slot() {
  const CapIndex index = runtime::Caps().Allocate();
  if (index == kNullCap) abort();
  slots_.push_back(index);
  return index;
}

CapIndex KernelTest::NewNotification() {
  const CapIndex cap = Slot();
  EXPECT_EQ(sys::NotificationCreate(cap), Status::kOk);
  return cap;
}

CapIndex KernelTest::Ram(uint64_t pages, uint64_t alignment) {
  const BootMemory& source = RamSource();
  const uint64_t base = (source.base + ram_taken_ + alignment - 1) & ~(alignment - 1);
  ram_taken_ = base - source.base + pages * kPage;
  const CapIndex cap = Slot();
  EXPECT_EQ(sys::MemoryDerive(cap, source.cap, (base - source.base) / kPage, pages, rights::kAll),
            Status::kOk);
  return cap;
}

uint8_t* KernelTest::Map(CapIndex memory, uint64_t pages, Rights rights) {
  const uint64_t address = FreeAddress(pages, pages * kPage >= kBlock ? kBlock : kPage);
  EXPECT_EQ(sys::DomainMap(kSelfDomainCap, memory, 0, address, pages, rights), Status::kOk);
  return reinterpret_cast<uint8_t*>(address);
}

uint64_t KernelTest::FreeAddress(uint64_t pages, uint64_t alignment) {
  const uint64_t address = runtime::Window().Allocate(pages, alignment);
  if (address == 0) abort();
  ranges_.push_back({address, pages});
  return address;
}

CapIndex KernelTest::NewDomain(uint64_t quota_pages) {
  const CapIndex cap = Slot();
  EXPECT_EQ(sys::DomainCreate(cap, quota_pages).status, Status::kOk);
  return cap;
}

void KernelTest::CostsNothing(uint64_t rounds, const std::function<void(uint64_t)>& life) {
  life(0);
  TearDown();
  const auto before = sys::DomainAccount(kSelfDomainCap);
  for (uint64_t i = 0; i < rounds && !HasFatalFailure(); ++i) {
    life(i);
    TearDown();
  }
  const auto after = sys::DomainAccount(kSelfDomainCap);
  EXPECT_EQ(after.used_pages, before.used_pages);
  EXPECT_EQ(after.quota_pages, before.quota_pages);
}

uint64_t UsedPages() { return sys::DomainAccount(kSelfDomainCap).used_pages; }

}  // namespace pyrene::kernel_test
