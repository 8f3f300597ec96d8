// SPDX-License-Identifier: Apache-2.0
#include "kernel/arch/gic.h"

#include "kernel/arch/barrier.h"
#include "kernel/arch/mmio.h"

namespace pyrene::arch::gic {
namespace {

enum class Gicd : uint32_t {
  kCtlr = 0x000,
  kTyper = 0x004,
  kIsenabler = 0x100,
  kIcenabler = 0x180,
  kIcpendr = 0x280,
  kIcactiver = 0x380,
  kIpriorityr = 0x400,
  kItargetsr = 0x800,
  kSgir = 0xf00,
};
enum class Gicc : uint32_t { kCtlr = 0x00, kPmr = 0x04, kBpr = 0x08, kIar = 0x0c, kEoir = 0x10 };
enum class GiccDeactivate : uint32_t { kDir = 0x1000 };  // on the interface's second page
enum class Gich : uint32_t { kHcr = 0x00, kVtr = 0x04, kVmcr = 0x08, kApr = 0xf0, kLr = 0x100 };

constexpr uint32_t kCtlrEnable = 1;
constexpr uint32_t kGiccEoiModeNs = 1u << 9;
constexpr uint32_t kGichEnable = 1u << 0;
constexpr uint32_t kGichUnderflow = 1u << 1;
constexpr uint8_t kPriority = 0xa0;
constexpr uint32_t kAllPriorities = 0xff;

MmioRegion<Gicd> gicd;
MmioRegion<Gicc> gicc;
MmioRegion<GiccDeactivate> gicc_deactivate;
MmioRegion<Gich> gich;
uint32_t intids;
uint32_t list_registers;

}  // namespace

volatile uint32_t* first_list_register;

void Init(uint64_t distributor, uint64_t cpu_interface, uint64_t hypervisor_interface) {
  gicd = MmioRegion<Gicd>(distributor);
  gicc = MmioRegion<Gicc>(cpu_interface);
  gicc_deactivate = MmioRegion<GiccDeactivate>(cpu_interface);
  gich = MmioRegion<Gich>(hypervisor_interface);
  first_list_register =
      reinterpret_cast<volatile uint32_t*>(hypervisor_interface + static_cast<uint64_t>(Gich::kLr));
  const uint32_t lines = (gicd.Read(Gicd::kTyper) & 0x1f) + 1;
  intids = lines * 32 < kMaxIntids ? lines * 32 : kMaxIntids;
  list_registers = (gich.Read(Gich::kVtr) & 0x3f) + 1;

  gicd.Write(Gicd::kCtlr, 0);
  for (uint32_t i = 1; i < lines; ++i) {
    gicd.WriteAt(Gicd::kIcenabler, i, ~0u);
    gicd.WriteAt(Gicd::kIcpendr, i, ~0u);
    gicd.WriteAt(Gicd::kIcactiver, i, ~0u);
  }
  for (uint32_t i = kFirstSpi; i < intids; ++i) {
    gicd.WriteByte(Gicd::kIpriorityr, i, kPriority);
    gicd.WriteByte(Gicd::kItargetsr, i, 1);
  }
  gicd.Write(Gicd::kCtlr, kCtlrEnable);
}

void InitCpu() {
  gicd.Write(Gicd::kIcenabler, ~0u);
  gicd.Write(Gicd::kIcpendr, ~0u);
  gicd.Write(Gicd::kIcactiver, ~0u);
  for (uint32_t i = 0; i < kFirstSpi; ++i) gicd.WriteByte(Gicd::kIpriorityr, i, kPriority);
  gicd.Write(Gicd::kIsenabler,
             0xffffu | 1u << kMaintenancePpi | 1u << kHypervisorTimerPpi | 1u << kVirtualTimerPpi);
  gicc.Write(Gicc::kPmr, kAllPriorities);
  gicc.Write(Gicc::kBpr, 0);
  gicc.Write(Gicc::kCtlr, kCtlrEnable | kGiccEoiModeNs);
  gich.Write(Gich::kHcr, 0);
  for (uint32_t i = 0; i < list_registers; ++i) gich.WriteAt(Gich::kLr, i, 0);
  gich.Write(Gich::kApr, 0);
}

uint32_t Intids() { return intids; }

uint32_t Acknowledge() { return gicc.Read(Gicc::kIar); }
void DropPriority(uint32_t iar) { gicc.Write(Gicc::kEoir, iar); }
void Deactivate(uint32_t iar) { gicc_deactivate.Write(GiccDeactivate::kDir, iar); }

void Enable(uint32_t intid) { gicd.WriteAt(Gicd::kIsenabler, intid / 32, 1u << intid % 32); }
void Disable(uint32_t intid) { gicd.WriteAt(Gicd::kIcenabler, intid / 32, 1u << intid % 32); }
void Route(uint32_t spi, uint32_t cpu) {
  gicd.WriteByte(Gicd::kItargetsr, spi, static_cast<uint8_t>(1u << cpu));
}

void SendSgi(uint32_t sgi, uint32_t cpu) {
  DsbIshst();  // what the other CPU is to see, before the interrupt
  gicd.Write(Gicd::kSgir, 1u << (16 + cpu) | sgi);
}

uint32_t ListRegisters() { return list_registers; }
uint32_t ReadListRegister(uint32_t index) { return gich.Read(Gich::kLr, index); }
void WriteListRegister(uint32_t index, uint32_t value) { gich.WriteAt(Gich::kLr, index, value); }
uint32_t ReadVmcr() { return gich.Read(Gich::kVmcr); }
void WriteVmcr(uint32_t value) { gich.Write(Gich::kVmcr, value); }
uint32_t ReadApr() { return gich.Read(Gich::kApr); }
void WriteApr(uint32_t value) { gich.Write(Gich::kApr, value); }
void EnableVirtualInterface(bool underflow) {
  gich.Write(Gich::kHcr, kGichEnable | (underflow ? kGichUnderflow : 0));
}
void DisableVirtualInterface() { gich.Write(Gich::kHcr, 0); }

}  // namespace pyrene::arch::gic
