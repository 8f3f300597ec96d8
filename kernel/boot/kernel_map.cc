// SPDX-License-Identifier: Apache-2.0
#include "kernel/boot/kernel_map.h"

#include "kernel/abi/syscall.h"
#include "kernel/arch/cache.h"
#include "kernel/arch/descriptor.h"
#include "kernel/arch/sysreg.h"
#include "kernel/arch/tlb.h"
#include "kernel/memory/layout.h"
#include "kernel/memory/page_table.h"

// kernel.ld
extern "C" char image_start[], rodata_start[], data_start[], image_end[];
// boot/head.S
extern "C" void EnableMmu(uint64_t mair, uint64_t tcr, uint64_t ttbr0, uint64_t sctlr);

namespace pyrene {
namespace {

namespace el2 = arch::el2_attributes;

// The bundle and RAM may lie anywhere: up to three level-2 and as many level-3 tables for each of
// image, device tree, bundle, symbols, pool, and one of each for the devices.
constexpr unsigned kBootPages = 40;
alignas(kPageBytes) char boot_pages[kBootPages][kPageBytes];
alignas(kPageBytes) uint64_t root[kPageBytes / 8];

constexpr uint64_t kStackPages = 3;
struct Stacks {
  char guard[kPageBytes];
  char stack[kStackPages * kPageBytes];
  char panic_guard[kPageBytes];
  char panic_stack[kPageBytes];
};
}  // namespace
// Named for head.S, which starts on the first CPU's.
extern "C" {
alignas(kPageBytes) Stacks kernel_stacks[kMaxCpus];
}
namespace {
Stacks (&stacks)[kMaxCpus] = kernel_stacks;

// Constructed by hand: there are no initialisers to run before EnterKernelMap.
alignas(Account) char account_storage[sizeof(Account)];
alignas(PageTable) char table_storage[sizeof(PageTable)];

PageTable& Table() { return *reinterpret_cast<PageTable*>(table_storage); }

bool MapSection(const void* from, const void* to, uint64_t attributes) {
  const uint64_t base = PhysicalOf(from);
  return Table().Map(KernelAccount(), base, base, (PhysicalOf(to) - base) / kPageBytes,
                     attributes) == Status::kOk;
}

}  // namespace

Account& KernelAccount() { return *reinterpret_cast<Account*>(account_storage); }

uint64_t PhysicalSize() {
  const uint64_t range = PYRENE_READ_SYSREG(id_aa64mmfr0_el1) & 0xf;
  return range > 2 ? 2 : range;  // 2: 40 bits, more than 39-bit tables can use
}

MmuRegisters KernelMmuRegisters() {
  return {arch::kMair, arch::kWalk | arch::kTcrRes1 | PhysicalSize() << arch::kPhysicalSizeShift,
          PhysicalOf(root), arch::sctlr::kEl2};
}

Image KernelImage() { return {PhysicalOf(image_start), PhysicalOf(image_end)}; }

void* KernelStackTop(uint32_t cpu) { return stacks[cpu].stack + sizeof(stacks[cpu].stack); }
void* PanicStackTop(uint32_t cpu) {
  return stacks[cpu].panic_stack + sizeof(stacks[cpu].panic_stack);
}

void EnterKernelMap() {
  auto* account = new (account_storage) Account;
  new (table_storage) PageTable(root, arch::kEl2Context);
  account->Donate(PhysicalOf(boot_pages), kBootPages);
  bool mapped = MapSection(image_start, rodata_start, el2::kText) &&
                MapSection(rodata_start, data_start, el2::kRodata) &&
                MapSection(data_start, stacks, el2::kData) &&
                MapSection(stacks + kMaxCpus, image_end, el2::kData);
  for (Stacks& s : stacks) {
    mapped = mapped && MapSection(s.stack, s.panic_guard, el2::kData) &&
             MapSection(s.panic_stack, &s + 1, el2::kData);
  }
  if (!mapped) {
    for (;;) asm volatile("wfe");  // nothing is mapped that could print
  }
  // Written with the MMU off: no stale line of it may be read once caches are on (DDI 0487,
  // D4.4.1).
  arch::InvalidateToPoc(data_start, PhysicalOf(image_end) - PhysicalOf(data_start));
  const MmuRegisters mmu = KernelMmuRegisters();
  EnableMmu(mmu.mair, mmu.tcr, mmu.ttbr0, mmu.sctlr);
}

bool MapKernel(uint64_t base, uint64_t bytes, uint64_t attributes) {
  const uint64_t end = PageCeil(base + bytes);
  for (uint64_t at = PageFloor(base); at < end;) {
    if (Table().Lookup(at).entry != 0) {
      at += kPageBytes;
      continue;
    }
    // As far as nothing is mapped, in one go, so that blocks are used.
    uint64_t stop = at + kPageBytes;
    while (stop < end && Table().Lookup(stop).entry == 0) stop += kPageBytes;
    if (Table().Map(KernelAccount(), at, at, (stop - at) / kPageBytes, attributes) != Status::kOk)
      return false;
    at = stop;
  }
  return true;
}

void UnmapKernel(uint64_t base, uint64_t bytes) {
  const uint64_t start = PageFloor(base);
  [[maybe_unused]] const Status status =
      Table().Unmap(KernelAccount(), start, (PageCeil(base + bytes) - start) / kPageBytes);
}

}  // namespace pyrene
