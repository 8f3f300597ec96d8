// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/guest/events.h"
#include "tests/bench/guest/interrupts.h"
#include "tests/bench/guest/report.h"
#include "tests/guest/gic.h"

namespace pyrene::guest::bench {
namespace {

constexpr uint8_t kPriority = 0xa0;
constexpr uint32_t kLowestPriority = 0xf0;
constexpr uint32_t kEnable = 1;

}  // namespace

alignas(4096) unsigned char shared_info_page[4096];

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

void ClearMask(uint32_t port) {
  __atomic_fetch_and(&SharedInfo().evtchn_mask[port / 64], ~(uint64_t{1} << port % 64),
                     __ATOMIC_SEQ_CST);
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

extern "C" void UnexpectedException(uint64_t) {
  uint64_t esr;
  asm volatile("mrs %0, esr_el1" : "=r"(esr));
  Fail("unexpected exception, ESR", esr);
}

}  // namespace pyrene::guest::bench
