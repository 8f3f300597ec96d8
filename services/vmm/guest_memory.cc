// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/guest_memory.h"

namespace pyrene::vmm {

GuestMemory::GuestMemory(Region bank0, Region bank1, Region magic, Frames frames)
    : magic_(magic), frames_(frames) {
  banks_[0].region = bank0;
  banks_[1].region = bank1;
  for (Bank& bank : banks_) {
    const uint64_t pages = bank.region.bytes >> xen::kPageShift;
    bank.absent = std::make_unique<std::atomic<uint64_t>[]>(pages / 64 + 1);
    present_pages_ += pages;
  }
}

void* GuestMemory::AtSlow(uint64_t gpa, uint64_t length) const {
  if (!InOnePage(gpa, length)) return nullptr;
  const uint64_t offset = gpa - banks_[1].region.gpa;
  if (offset < banks_[1].region.bytes) {
    return Present(banks_[1], offset) ? banks_[1].region.host + offset : nullptr;
  }
  if (gpa - magic_.gpa < magic_.bytes) return magic_.host + (gpa - magic_.gpa);
  return nullptr;
}

std::byte* GuestMemory::Range(uint64_t gpa, uint64_t length) const {
  for (const Bank& bank : banks_) {
    const uint64_t offset = gpa - bank.region.gpa;
    if (offset < bank.region.bytes && length <= bank.region.bytes - offset) {
      return bank.region.host + offset;
    }
  }
  return nullptr;
}

const GuestMemory::Bank* GuestMemory::BankOf(uint64_t gfn) const {
  for (const Bank& bank : banks_) {
    if (gfn - (bank.region.gpa >> xen::kPageShift) < bank.region.bytes >> xen::kPageShift)
      return &bank;
  }
  return nullptr;
}

std::byte* GuestMemory::RamPage(uint64_t gfn) const {
  const Bank* bank = BankOf(gfn);
  if (bank == nullptr) return nullptr;
  const uint64_t offset = (gfn << xen::kPageShift) - bank->region.gpa;
  return Present(*bank, offset) ? bank->region.host + offset : nullptr;
}

std::byte* GuestMemory::GrantablePage(uint64_t gfn) const {
  const uint64_t magic_page = gfn - (magic_.gpa >> xen::kPageShift);
  if (magic_page < magic_.bytes >> xen::kPageShift) {
    return magic_.host + (magic_page << xen::kPageShift);
  }
  return RamPage(gfn);
}

bool GuestMemory::InBank(uint64_t gfn) const { return BankOf(gfn) != nullptr; }

bool GuestMemory::SetPresent(uint64_t gfn, bool present) {
  const Bank* bank = BankOf(gfn);
  const uint64_t page = gfn - (bank->region.gpa >> xen::kPageShift);
  const uint64_t bit = uint64_t{1} << (page % 64);
  std::atomic<uint64_t>& word = bank->absent[page / 64];
  const uint64_t before = present ? word.fetch_and(~bit) : word.fetch_or(bit);
  const bool was_present = (before & bit) == 0;
  if (was_present != present) present_pages_ += present ? 1 : uint64_t(-1);
  return was_present;
}

uint64_t GuestMemory::total_pages() const {
  return (banks_[0].region.bytes + banks_[1].region.bytes) >> xen::kPageShift;
}

uint64_t GuestMemory::end_gfn() const {
  const Region& last = banks_[1].region.bytes != 0 ? banks_[1].region : banks_[0].region;
  return (last.gpa + last.bytes) >> xen::kPageShift;
}

}  // namespace pyrene::vmm
