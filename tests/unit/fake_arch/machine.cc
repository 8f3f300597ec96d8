// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake_arch/machine.h"

#include <sched.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "kernel/arch/fp.h"
#include "kernel/arch/gic.h"
#include "kernel/arch/guest_regime.h"
#include "kernel/arch/psci.h"
#include "kernel/arch/timer.h"
#include "kernel/arch/tlb.h"
#include "kernel/arch/vcpu_registers.h"
#include "kernel/log/log.h"
#include "kernel/log/panic.h"
#include "kernel/memory/layout.h"
#include "kernel/sched/cpu.h"

namespace pyrene::fake {
namespace {

constexpr uint32_t kListRegisters = 4;
constexpr uint32_t kIntids = 64;
constexpr uint64_t kNever = ~uint64_t{0};

struct FakeCpu {
  uint64_t registers[static_cast<unsigned>(Register::kCount)] = {};
  uint64_t fp = 0;
  uint64_t hypervisor_deadline = kNever;
  uint32_t list_register[kListRegisters] = {};
  uint32_t vmcr = 0, apr = 0;
  std::atomic<uint32_t> sgis = 0;
  std::atomic<uint64_t> spis = 0;  // routed here and not active
};

FakeCpu fake_cpus[kMaxCpus];
thread_local uint32_t self;
std::atomic<uint64_t> counter;

std::mutex spi_mutex;
bool spi_enabled[kIntids];
bool spi_active[kIntids];
uint32_t spi_cpu[kIntids];

FakeCpu& Self() { return fake_cpus[self]; }

bool VirtualTimerPending() {
  constexpr uint64_t kEnabledUnmasked = 1;
  FakeCpu& cpu = Self();
  const auto reg = [&cpu](Register r) { return cpu.registers[static_cast<unsigned>(r)]; };
  return (reg(Register::cntv_ctl_el0) & 3) == kEnabledUnmasked &&
         counter - reg(Register::cntvoff_el2) >= reg(Register::cntv_cval_el0);
}

uint32_t Highest() {
  FakeCpu& cpu = Self();
  if (cpu.sgis != 0) return arch::gic::kPokeSgi;
  if (counter >= cpu.hypervisor_deadline) return arch::gic::kHypervisorTimerPpi;
  if (VirtualTimerPending()) return arch::gic::kVirtualTimerPpi;
  const uint64_t spis = cpu.spis;
  return spis != 0 ? static_cast<uint32_t>(__builtin_ctzll(spis)) : arch::gic::kSpurious;
}

}  // namespace

uint64_t& Sysreg(Register name) { return Self().registers[static_cast<unsigned>(name)]; }

void Become(uint32_t id) {
  self = id;
  Sysreg(Register::tpidr_el2) = reinterpret_cast<uint64_t>(&cpus[id]);
}

void PowerOn(uint32_t count) {
  counter = 1;
  on_relax = on_wait = nullptr;
  on_tlb = nullptr;
  for (uint32_t id = 0; id < kMaxCpus; ++id) {
    cpus[id].~Cpu();
    memset(static_cast<void*>(&cpus[id]), 0, sizeof(Cpu));
    new (&cpus[id]) Cpu{};
    cpus[id].id = id;
    cpus[id].online = id < count;
    fake_cpus[id].~FakeCpu();
    new (&fake_cpus[id]) FakeCpu;
  }
  for (uint32_t i = 0; i < kIntids; ++i) spi_enabled[i] = spi_active[i] = false;
  Become(0);
}

uint64_t Counter() { return ++counter; }
void AdvanceCounter(uint64_t ticks) { counter += ticks; }

bool InterruptPending() { return Highest() != arch::gic::kSpurious; }

void RaiseSpi(uint32_t intid) {
  const std::lock_guard lock(spi_mutex);
  if (spi_enabled[intid] && !spi_active[intid])
    fake_cpus[spi_cpu[intid]].spis |= uint64_t{1} << intid;
}

void Relax() {
  if (on_relax) return on_relax();
  sched_yield();
}

void WaitForInterrupt() {
  if (on_wait) return on_wait();
  while (!InterruptPending()) sched_yield();
}

uint64_t& FpRegisters() { return Self().fp; }

uint64_t AllocatePages(uint64_t pages) {
  struct Free {
    void operator()(void* memory) const { free(memory); }
  };
  static std::vector<std::unique_ptr<void, Free>> all;
  void* memory =
      aligned_alloc(kBlockBytes, (pages * kPageBytes + kBlockBytes - 1) & ~(kBlockBytes - 1));
  if (memory == nullptr) abort();
  memset(memory, 0, pages * kPageBytes);
  all.emplace_back(memory);
  return reinterpret_cast<uint64_t>(memory);
}

}  // namespace pyrene::fake

namespace pyrene {

using fake::Register;
using fake::Sysreg;

namespace arch {

void InvalidateTlb(uint64_t context, uint64_t address, uint64_t pages) {
  if (fake::on_tlb) fake::on_tlb({fake::TlbOperation::Kind::kPages, context, address, pages});
}
void InvalidateTlbContext(uint64_t context) {
  if (fake::on_tlb) fake::on_tlb({fake::TlbOperation::Kind::kContext, context, 0, 0});
}
void InvalidateLocalTlb() {
  if (fake::on_tlb)
    fake::on_tlb({fake::TlbOperation::Kind::kLocal, Sysreg(Register::vttbr_el2), 0, 0});
}

// A tick is a microsecond.
uint64_t CounterFrequency() { return 1000000; }
uint64_t TicksOf(uint64_t microseconds) { return microseconds; }
void SetHypervisorTimer(uint64_t deadline) { fake::Self().hypervisor_deadline = deadline; }

namespace gic {

uint32_t Intids() { return fake::kIntids; }

uint32_t Acknowledge() {
  const uint32_t intid = fake::Highest();
  fake::FakeCpu& cpu = fake::Self();
  if (intid == kPokeSgi) cpu.sgis = 0;
  if (intid >= kFirstSpi && intid < fake::kIntids) {
    const std::lock_guard lock(fake::spi_mutex);
    cpu.spis &= ~(uint64_t{1} << intid);
    fake::spi_active[intid] = true;
  }
  return intid;
}
void DropPriority(uint32_t) {}
void Deactivate(uint32_t iar) {
  const std::lock_guard lock(fake::spi_mutex);
  if (iar < fake::kIntids) fake::spi_active[iar] = false;
}
void Enable(uint32_t intid) {
  const std::lock_guard lock(fake::spi_mutex);
  fake::spi_enabled[intid] = true;
}
void Disable(uint32_t intid) {
  const std::lock_guard lock(fake::spi_mutex);
  fake::spi_enabled[intid] = false;
  for (fake::FakeCpu& cpu : fake::fake_cpus) cpu.spis &= ~(uint64_t{1} << intid);
}
void Route(uint32_t spi, uint32_t cpu) {
  const std::lock_guard lock(fake::spi_mutex);
  fake::spi_cpu[spi] = cpu;
}
void SendSgi(uint32_t sgi, uint32_t cpu) { fake::fake_cpus[cpu].sgis |= 1u << sgi; }

uint32_t ListRegisters() { return fake::kListRegisters; }
uint32_t ReadListRegister(uint32_t index) { return fake::Self().list_register[index]; }
void WriteListRegister(uint32_t index, uint32_t value) {
  fake::Self().list_register[index] = value;
}
uint32_t ReadVmcr() { return fake::Self().vmcr; }
void WriteVmcr(uint32_t value) { fake::Self().vmcr = value; }
uint32_t ReadApr() { return fake::Self().apr; }
void WriteApr(uint32_t value) { fake::Self().apr = value; }
void EnableVirtualInterface(bool) {}
void DisableVirtualInterface() {}

}  // namespace gic

namespace psci {

Status SystemOff() { return Status::kNotSupported; }
Status SystemReset() { return Status::kNotSupported; }

}  // namespace psci

void SaveEl1(VcpuState::El1& el1) { el1.actlr = Sysreg(Register::actlr_el1); }
void LoadEl1(const VcpuState::El1& el1) { Sysreg(Register::actlr_el1) = el1.actlr; }
void SaveVirtualTimer(VcpuState::El1& el1) {
  el1.cntv_ctl = Sysreg(Register::cntv_ctl_el0);
  el1.cntv_cval = Sysreg(Register::cntv_cval_el0);
  Sysreg(Register::cntv_ctl_el0) = 0;
}
void LoadVirtualTimer(const VcpuState::El1& el1) {
  Sysreg(Register::cntvoff_el2) = el1.cntvoff;
  Sysreg(Register::cntv_cval_el0) = el1.cntv_cval;
  Sysreg(Register::cntv_ctl_el0) = el1.cntv_ctl & 3;
}
void MaskVirtualTimer() { Sysreg(Register::cntv_ctl_el0) |= 2; }
uint64_t VirtualTimerDeadline() {
  if ((Sysreg(Register::cntv_ctl_el0) & 3) != 1) return ~uint64_t{0};
  return Sysreg(Register::cntv_cval_el0) + Sysreg(Register::cntvoff_el2);
}
void EnterGuestRegime(const VcpuState::El1& el1, uint64_t vttbr) {
  Sysreg(Register::vttbr_el2) = vttbr;
  Sysreg(Register::hcr_el2) = hcr::kGuest;
  Sysreg(Register::sp_el0) = el1.sp_el0;
  Sysreg(Register::tpidr_el0) = el1.tpidr_el0;
}
void LeaveGuestRegime(VcpuState::El1& el1, uint64_t service_vttbr) {
  el1.sp_el0 = Sysreg(Register::sp_el0);
  el1.tpidr_el0 = Sysreg(Register::tpidr_el0);
  Sysreg(Register::vttbr_el2) = service_vttbr;
  Sysreg(Register::hcr_el2) = hcr::kService;
}
// Guests of this machine have no page tables: every address is itself.
uint64_t TranslateInGuest(uint64_t address, bool) { return address & ~uint64_t{0xfff}; }
void TranslateForGuest(const VcpuState::El1&, uint64_t, uint64_t, uint64_t address, bool write,
                       uint64_t* results, unsigned count) {
  for (unsigned i = 0; i < count; ++i)
    results[i] = TranslateInGuest(address + i * uint64_t{0x1000}, write);
}

}  // namespace arch

extern "C" {
void SaveFp(FpState* state) { state->q[0] = fake::Self().fp; }
void LoadFp(const FpState* state) { fake::Self().fp = state->q[0]; }
}

void Log(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
}

void Panic(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  abort();
}

void InitFailure(uint64_t esr, uint64_t far, uint64_t pc) {
  Panic("init has faulted: %lx %lx %lx", esr, far, pc);
}

}  // namespace pyrene
