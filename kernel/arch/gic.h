// SPDX-License-Identifier: Apache-2.0
//
// GICv2: distributor and CPU interface as EL2 uses them (IHI 0048B). Priority drop and deactivation
// are split (GICC_CTLR.EOImode), so that an interrupt given to a service stays active, and so
// silent, until the service acknowledges it.
#pragma once

#include <cstdint>

namespace pyrene::arch::gic {

inline constexpr uint32_t kFirstSpi = 32;
inline constexpr uint32_t kMaxIntids = 1020;
inline constexpr uint32_t kSpurious = 1020;  // 1020..1023: nothing to do

// The kernel's own interrupts. PPIs by the architecture's recommendation (BSA), which both machines
// follow.
inline constexpr uint32_t kPokeSgi = 0;
inline constexpr uint32_t kMaintenancePpi = 25;
inline constexpr uint32_t kHypervisorTimerPpi = 26;
inline constexpr uint32_t kVirtualTimerPpi = 27;

// Boot, first CPU: all interrupts off, SPIs to CPU 0. The regions are mapped.
void Init(uint64_t distributor, uint64_t cpu_interface, uint64_t hypervisor_interface);
// Each CPU: its banked registers, its CPU interface, the virtual interface.
void InitCpu();

uint32_t Intids();  // of this machine: INTIDs below this exist

// What GICC_IAR says: INTID in bits 9:0, source of an SGI in 12:10.
uint32_t Acknowledge();
void DropPriority(uint32_t iar);
void Deactivate(uint32_t iar);

void Enable(uint32_t intid);
void Disable(uint32_t intid);
void Route(uint32_t spi, uint32_t cpu);
void SendSgi(uint32_t sgi, uint32_t cpu);

// The virtual interface control registers of this CPU (GICH).
uint32_t ListRegisters();
uint32_t ReadListRegister(uint32_t index);
void WriteListRegister(uint32_t index, uint32_t value);
// For guest_regime.h.
extern volatile uint32_t* first_list_register;
uint32_t ReadVmcr();
void WriteVmcr(uint32_t value);
uint32_t ReadApr();
void WriteApr(uint32_t value);
// GICH_HCR: En, and UIE (maintenance when none or one list register is used).
void EnableVirtualInterface(bool underflow);
void DisableVirtualInterface();

}  // namespace pyrene::arch::gic
