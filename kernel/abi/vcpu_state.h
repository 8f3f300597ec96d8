// SPDX-License-Identifier: Apache-2.0
//
// The page that a Vcpu shares with its VMM. Little-endian, 4096 bytes, zeroed at creation, alive as
// long as the Vcpu.
//
// Who writes what:
//  - While vcpu_run is under way the kernel owns the page; between two runs the VMM does. The
//    kernel checks what it loads (PSTATE's mode, list registers) at the next run, so a VMM that
//    writes at other times harms only its own guest.
//  - `x`, `pc`, `pstate`, `exit`, `gic.used`, `gic.lr` are current after each exit.
//  - `el1`, `gic.vmcr` and `gic.apr` are current only after vcpu_sync, because these registers stay
//    in the hardware between runs; what the VMM writes there after a sync is taken over by the
//    next run. Before the first run it is the initial state.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyrene {

enum class ExitReason : uint64_t {
  kNone = 0,
  kException = 1,  // exit.esr says which (HVC, SMC, WFI, system register, abort)
  kKick = 2,       // vcpu_kick
  kTimer = 3,  // the virtual timer fired and could not be injected (no template, or no free list
               // register)
  kMaintenance = 4,  // GIC maintenance: list registers ran low (gic.underflow)
  kBadState = 5,     // refused to enter: PSTATE or a list register is not allowed
};

// GICv2 list registers (GICH_LR, IHI 0048B 5.3.14). GIC-400 has 4; the architecture allows 64, we
// use up to 16.
inline constexpr unsigned kMaxListRegisters = 16;
namespace list_register {
inline constexpr uint32_t kIntidMask = 0x3ff;
inline constexpr uint32_t kSourceShift = 10;  // CPUID of an SGI, HW=0
inline constexpr uint32_t kEoiRequest = 1u << 19;
inline constexpr uint32_t kPriorityShift = 23;  // five bits: priority >> 3
inline constexpr uint32_t kPending = 1u << 28;
inline constexpr uint32_t kActive = 1u << 29;
inline constexpr uint32_t kGroup1 = 1u << 30;
inline constexpr uint32_t kHardware = 1u << 31;  // refused
}  // namespace list_register

struct VcpuState {
  // Guest's general registers. Layout shared with kernel/arch's Frame: the exception vectors store
  // here.
  uint64_t x[31];   // 0x000
  uint64_t pc;      // 0x0f8
  uint64_t pstate;  // 0x100  EL1h, EL1t, EL0t or AArch32 User only

  // The last exit.
  struct Exit {
    uint64_t esr;    // 0x108  ESR_EL2
    uint64_t far;    // 0x110  FAR_EL2
    uint64_t hpfar;  // 0x118  HPFAR_EL2 (IPA bits 47:12 in 43:4)
    // Translations of x0..x4 as guest addresses, made at an HVC exit for those in hvc_translate.
    // PAR_EL1 format.
    uint64_t par[5];  // 0x120
  } exit;

  // Bits 0..4: registers x0..x4 to translate (for reading) at HVC exits; 0 = none.
  uint64_t hvc_translate;  // 0x148

  // The virtual CPU interface.
  struct Gic {
    uint32_t used;  // 0x150  bit n: lr[n] is in use. Set by the VMM, cleared by the kernel when it
                    // has become inactive
    uint32_t timer_template;  // 0x154  what to put into a free list register when the virtual timer
                              // fires; 0 = exit instead
    uint32_t underflow;  // 0x158  nonzero: exit with kMaintenance when at most one list register is
                         // in use
    uint32_t vmcr;       // 0x15c  GICH_VMCR
    uint32_t apr;        // 0x160  GICH_APR
    uint32_t count;      // 0x164  list registers of this machine; set by vcpu_create
    uint32_t lr[kMaxListRegisters];  // 0x168
  } gic;

  // The guest's EL1 state (see above for when it is current).
  struct El1 {
    uint64_t sctlr, cpacr, cntkctl, sp_el0, tpidr_el0, tpidrro_el0;  // these six are always swapped
    uint64_t ttbr0, ttbr1, tcr, mair, amair, vbar;
    uint64_t esr, far, afsr0, afsr1, elr, spsr, sp_el1, tpidr_el1, contextidr, par, csselr, actlr;
    uint64_t mdscr;
    uint64_t cntv_ctl, cntv_cval, cntvoff;
    uint64_t vmpidr;  // VMPIDR_EL2: set at creation
    uint64_t vpidr;   // VPIDR_EL2: set at creation to the machine's MIDR
  } el1;              // 0x1a8

  // Results of vcpu_translate, PAR_EL1 format: bit 0 set = fault, else bits 47:12 are the IPA.
  static constexpr unsigned kMaxTranslations = 32;
  uint64_t translation[kMaxTranslations];
};

static_assert(offsetof(VcpuState, pc) == 0xf8);
static_assert(offsetof(VcpuState, exit) == 0x108);
static_assert(offsetof(VcpuState, gic) == 0x150);
static_assert(offsetof(VcpuState, el1) == 0x1a8);
static_assert(sizeof(VcpuState) <= 4096);

}  // namespace pyrene
