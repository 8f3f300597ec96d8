// SPDX-License-Identifier: Apache-2.0
#include "kernel/boot/secondary.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/cache.h"
#include "kernel/arch/descriptor.h"
#include "kernel/arch/gic.h"
#include "kernel/arch/psci.h"
#include "kernel/arch/timer.h"
#include "kernel/boot/cpu_setup.h"
#include "kernel/boot/kernel_map.h"
#include "kernel/log/log.h"
#include "kernel/memory/layout.h"
#include "kernel/sched/entry.h"

// boot/head.S
extern "C" void SecondaryEntry();
extern "C" void SpinTableEntry();

namespace pyrene {

extern "C" {
SecondaryRecord secondary_record;
}

namespace {

constexpr uint64_t kAffinityMask = 0xff00ffffff;
constexpr uint64_t kStartMicroseconds = 1000000;

uint32_t starting_id;
bool started;
bool released;

void SecondaryMain() {
  SetUpCpu(starting_id);
  Cpu& cpu = ThisCpu();
  arch::gic::InitCpu();
  ForbidFp(cpu);
  __atomic_store_n(&started, true, __ATOMIC_RELEASE);
  while (!__atomic_load_n(&released, __ATOMIC_ACQUIRE)) arch::Relax();
  EnterUser(Resume(cpu));
}

bool Launch(const CpuNode& node) {
  // The new CPU reads the record and its stack pointer with its MMU off: clean to the point of
  // coherency.
  arch::CleanToPoc(&secondary_record, sizeof(secondary_record));
  if (node.method == EnableMethod::kPsci) {
    return arch::psci::CpuOn(node.mpidr, PhysicalOf(reinterpret_cast<void*>(SecondaryEntry)),
                             PhysicalOf(&secondary_record)) == Status::kOk;
  }
  if (node.method != EnableMethod::kSpinTable) return false;
  const uint64_t page = PageFloor(node.release_address);
  if (!MapKernel(page, kPageBytes, arch::el2_attributes::kData)) return false;
  auto* release = KernelPointer<volatile uint64_t>(node.release_address);
  *release = PhysicalOf(reinterpret_cast<void*>(SpinTableEntry));
  arch::CleanToPoc(KernelPointer<void>(node.release_address), sizeof(uint64_t));
  arch::SendEvent();
  return true;
}

bool WaitUntilStarted() {
  const uint64_t deadline = arch::Counter() + arch::TicksOf(kStartMicroseconds);
  while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE)) {
    if (arch::Counter() > deadline) return false;
    arch::Relax();
  }
  return true;
}

}  // namespace

uint32_t StartSecondaries(const Machine& machine) {
  const MmuRegisters mmu = KernelMmuRegisters();
  const uint64_t self = ThisCpu().mpidr & kAffinityMask;
  uint32_t running = 1;
  for (unsigned i = 0; i < machine.cpus; ++i) {
    const CpuNode& node = machine.cpu[i];
    if (node.mpidr == self) continue;
    started = false;
    starting_id = running;
    secondary_record = {
        mmu.mair,     mmu.tcr, mmu.ttbr0, mmu.sctlr, PhysicalOf(KernelStackTop(running)),
        SecondaryMain};
    if (!Launch(node) || !WaitUntilStarted()) {
      // It may still come up later, with a record that is no longer its own: nobody else can be
      // started safely.
      Log("CPU 0x%lx did not start; going on with %u CPUs", node.mpidr, running);
      break;
    }
    ++running;
  }
  return running;
}

void ReleaseSecondaries() { __atomic_store_n(&released, true, __ATOMIC_RELEASE); }

}  // namespace pyrene
