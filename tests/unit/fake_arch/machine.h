// SPDX-License-Identifier: Apache-2.0
//
// A machine of variables for the kernel's architecture-neutral parts: CPUs with system registers,
// an interrupt controller, timers and a TLB that only tells what it was asked to do. Any number of
// host threads play CPUs, one each; or one thread plays several in turn.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace pyrene::fake {

// As PYRENE_READ_SYSREG names them.
// NOLINTBEGIN(readability-identifier-naming)
enum class Register : unsigned {
  actlr_el1,
  cnthp_ctl_el2,
  cntkctl_el1,
  cntv_ctl_el0,
  cntv_cval_el0,
  cntvoff_el2,
  cpacr_el1,
  cptr_el2,
  elr_el2,
  esr_el2,
  far_el2,
  hcr_el2,
  hpfar_el2,
  midr_el1,
  sctlr_el1,
  sp_el0,
  spsr_el2,
  tpidr_el0,
  tpidr_el2,
  tpidrro_el0,
  vttbr_el2,
  kCount,
};
// NOLINTEND(readability-identifier-naming)

// Of the CPU that the calling thread plays.
uint64_t& Sysreg(Register name);

// From here on the calling thread plays this CPU: TPIDR_EL2 points at cpus[id].
void Become(uint32_t id);
// All CPUs below `count` are online, with nothing running; every other variable of the machine as
// at power-on.
void PowerOn(uint32_t count);

// CNTPCT. Every look at it is a tick.
uint64_t Counter();
void AdvanceCounter(uint64_t ticks);

// Whether an interrupt waits for the CPU that the calling thread plays.
bool InterruptPending();
// Raises a shared interrupt; enabled and routed as the kernel said.
void RaiseSpi(uint32_t intid);

// What is called while the kernel waits for another CPU or an interrupt. Without one, the host's
// CPU is yielded.
inline std::function<void()> on_relax;
inline std::function<void()> on_wait;

struct TlbOperation {
  enum class Kind { kPages, kContext, kLocal } kind;
  uint64_t context, address, pages;
};
inline std::function<void(const TlbOperation&)> on_tlb;

// The FP registers, as one number.
uint64_t& FpRegisters();

// Physical memory for accounts: `pages` zeroed pages. Freed at the end of the program, so that
// sanitizers see what is left.
uint64_t AllocatePages(uint64_t pages);

}  // namespace pyrene::fake
