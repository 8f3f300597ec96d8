// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/tlb.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/sysreg.h"

namespace pyrene::arch {
namespace {

// Above this many pages one TLBI for the whole context is cheaper than one for each page.
constexpr uint64_t kManyPages = 64;

// TLBI by IPA or VMID acts on the VMID in VTTBR_EL2 (DDI 0487, D5.10.2). The kernel is in the
// service regime here: HCR_EL2.TGE is 1 and the guest's walks are disabled (erratum 1319367), so
// VTTBR_EL2 may be changed.
class VmidScope {
 public:
  explicit VmidScope(uint64_t vttbr) : saved_(PYRENE_READ_SYSREG(vttbr_el2)) {
    PYRENE_WRITE_SYSREG(vttbr_el2, vttbr);
    Isb();
  }
  ~VmidScope() {
    PYRENE_WRITE_SYSREG(vttbr_el2, saved_);
    Isb();
  }

 private:
  uint64_t saved_;
};

}  // namespace

void InvalidateTlb(uint64_t context, uint64_t address, uint64_t pages) {
  DsbIshst();  // the descriptor write before the invalidation (D5.10.2, completion)
  if (context == kEl2Context) {
    for (uint64_t i = 0; i < pages; ++i)
      asm volatile("tlbi vae2is, %0" ::"r"((address >> 12) + i) : "memory");
    DsbIsh();
    Isb();
    return;
  }
  if (pages > kManyPages) return InvalidateTlbContext(context);
  VmidScope scope(context);
  for (uint64_t i = 0; i < pages; ++i)
    asm volatile("tlbi ipas2e1is, %0" ::"r"((address >> 12) + i) : "memory");
  // Combined stage 1 and 2 entries are not found by IPA: invalidate all of the VMID's.
  DsbIsh();
  asm volatile("tlbi vmalle1is" ::: "memory");
  DsbIsh();
  Isb();
}

void InvalidateTlbContext(uint64_t context) {
  DsbIshst();
  VmidScope scope(context);
  asm volatile("tlbi vmalls12e1is" ::: "memory");
  DsbIsh();
  Isb();
}

void InvalidateLocalTlb() {
  asm volatile("tlbi vmalle1" ::: "memory");
  asm volatile("dsb nsh" ::: "memory");
  Isb();
}

}  // namespace pyrene::arch
