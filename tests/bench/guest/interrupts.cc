// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/guest/interrupts.h"

#include "tests/bench/guest/report.h"
#include "tests/guest/counter.h"
#include "tests/guest/gic.h"

namespace pyrene::guest::bench {

volatile Handled handled;

namespace {

constexpr uint8_t kPriority = 0xa0;
constexpr uint32_t kLowestPriority = 0xf0;
constexpr uint32_t kEnable = 1;

alignas(4096) unsigned char shared_info_page[4096];

// The guest's half of the 2-level protocol. Returns the number of events found.
uint32_t TakeEvents() {
  xen::SharedInfo& shared = SharedInfo();
  xen::VcpuInfo& info = shared.vcpu_info[0];
  uint32_t events = 0;
  while (__atomic_exchange_n(&info.upcall_pending, 0, __ATOMIC_SEQ_CST) != 0) {
    uint64_t words = __atomic_exchange_n(&info.pending_sel, 0, __ATOMIC_SEQ_CST);
    for (; words != 0; words &= words - 1) {
      const int w = __builtin_ctzll(words);
      uint64_t ready = shared.evtchn_pending[w] & ~shared.evtchn_mask[w];
      for (; ready != 0; ready &= ready - 1) {
        const uint64_t port = ready & -ready;
        __atomic_fetch_and(&shared.evtchn_pending[w], ~port, __ATOMIC_SEQ_CST);
        ++events;
      }
    }
  }
  return events;
}

}  // namespace

xen::SharedInfo& SharedInfo() { return *reinterpret_cast<xen::SharedInfo*>(shared_info_page); }

void MapSharedInfo() {
  xen::AddToPhysmap add = {};
  add.domid = xen::kDomidSelf;
  add.space = xen::kSpaceSharedInfo;
  add.gpfn = reinterpret_cast<uint64_t>(shared_info_page) >> xen::kPageShift;
  const int64_t result = Operate(xen::kMemoryOp, xen::kAddToPhysmap, add);
  if (result != 0) Fail("add_to_physmap", static_cast<uint64_t>(-result));
  for (uint64_t& mask : SharedInfo().evtchn_mask)
    __atomic_store_n(&mask, ~uint64_t{0}, __ATOMIC_SEQ_CST);
}

void StartInterrupts() {
  using gic::At;
  using gic::Distributor;
  using gic::Interface;
  for (unsigned i = 0; i < 32 / 4; ++i) At(Distributor::kIpriorityr)[i] = kPriority * 0x01010101u;
  *At(Distributor::kIsenabler) = 1u << kSgi | 1u << xen::kTimerPpi | 1u << xen::kUpcallPpi;
  *At(Distributor::kCtlr) = kEnable;
  *At(Interface::kPmr) = kLowestPriority;
  *At(Interface::kCtlr) = kEnable;
  EnableInterrupts();
}

extern "C" void HandleInterrupt() {
  const uint64_t now = Counter();
  const uint32_t iar = *gic::At(gic::Interface::kIar);
  switch (iar & gic::kIntidMask) {
    case xen::kTimerPpi:
      asm volatile("msr cntv_ctl_el0, xzr\n\tisb" ::: "memory");
      break;
    case kSgi:
      break;
    case xen::kUpcallPpi:
      if (TakeEvents() == 0) {
        // A spurious one, which the interface allows.
        *gic::At(gic::Interface::kEoir) = iar;
        return;
      }
      break;
    default:
      return;  // spurious: nothing to end
  }
  handled.at = now;
  handled.count = handled.count + 1;
  *gic::At(gic::Interface::kEoir) = iar;
}

extern "C" void UnexpectedException(uint64_t) {
  uint64_t esr;
  asm volatile("mrs %0, esr_el1" : "=r"(esr));
  Fail("unexpected exception, ESR", esr);
}

}  // namespace pyrene::guest::bench
