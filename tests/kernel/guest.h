// SPDX-License-Identifier: Apache-2.0
//
// Small guests: a domain with a few pages of memory and programs of guest_code.S, and a VMM for
// them.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "kernel/abi/vcpu_state.h"
#include "tests/kernel/fixture.h"

// Programs. What x0.. must be when they begin:
extern "C" {
extern const char kg_begin[], kg_end[];
extern const char kg_hvc[];      // x0: counts up, HVC #5 each time
extern const char kg_linger[];   // x0: when; then HVC #15, again and again
extern const char kg_count[];    // x0: address of a word that counts up for ever
extern const char kg_wait[];     // the same, with a WFI before each step
extern const char kg_load[];     // reads x0 to x1, HVC #6, for ever
extern const char kg_store[];    // writes x1 to x0, HVC #7, for ever
extern const char kg_jump[];     // to x0
extern const char kg_smc[];      // SMC #3, then HVC #8
extern const char kg_read_id[];  // ID_AA64PFR0_EL1 to x5, then HVC #9
extern const char
    kg_timer[];  // x0: TimerPage, x1: ticks between two interrupts of the virtual timer
extern const char kg_listen[];       // x0: TimerPage; takes interrupts
extern const char kg_acknowledge[];  // polls GICV_IAR and ends what it gets, x1 times, then HVC #11
extern const char kg_watch[];        // x0: GuestWatch
extern const char kg_poison[];       // hostile EL1 controls, then HVC #13
extern const char kg_reread[];  // x0: address, x1: what is there; x2 counts differences, x4 rounds,
                                // HVC #14 after each
}

namespace pyrene::kernel_test {

// What kg_timer and kg_listen count. The VMM sets stop and idle (1: WFI between two looks).
struct TimerPage {
  uint64_t timer_interrupts, other_interrupts, rounds, stop, idle, last_iar;
};
// kg_watch: registers that follow from the seed; hypercalls: 1 for one in each round.
struct GuestWatch {
  uint64_t seed, rounds, errors, hypercalls, differences;
};

inline constexpr uint32_t kTimerIntid = 27;
constexpr uint32_t PendingInterrupt(uint32_t intid) {
  return intid | list_register::kPending | (0xa0u >> 3) << list_register::kPriorityShift;
}

// ESR_EL2.EC of exits.
inline constexpr uint64_t kExitWfx = 0x01, kExitHvc = 0x16, kExitSmc = 0x17,
                          kExitSystemRegister = 0x18, kExitInstructionAbort = 0x20,
                          kExitDataAbort = 0x24;

class Guest {
 public:
  static constexpr uint64_t kRam =
      0x40000000;  // guest physical: programs, then a page per vCPU, then spare pages
  static constexpr uint64_t kRamPages = 64;
  static constexpr unsigned kMaxVcpus = 4;
  static constexpr uint64_t kGicv = 0x08010000;
  static constexpr uint64_t kNothing = 0x50000000;  // nothing is mapped here

  // All of it ends with the test.
  explicit Guest(KernelTest& test, unsigned vcpus = 1);

  CapIndex domain() const { return domain_; }
  CapIndex memory() const { return memory_; }
  CapIndex vcpu(unsigned i = 0) const { return vcpu_[i]; }
  VcpuState& state(unsigned i = 0) const { return *state_[i]; }

  // Guest physical address of a program, of vCPU i's own page, and of spare pages; and our view of
  // them.
  uint64_t Program(const char* program) const {
    return kRam + static_cast<uint64_t>(program - kg_begin);
  }
  uint64_t PageOf(unsigned i) const { return kRam + (code_pages_ + i) * kPage; }
  uint64_t Spare(uint64_t page) const { return kRam + (code_pages_ + kMaxVcpus + page) * kPage; }
  template <typename T>
  T* View(uint64_t address) const {
    return reinterpret_cast<T*>(ram_ + (address - kRam));
  }
  template <typename T>
  T* Page(unsigned i = 0) const {
    return View<T>(PageOf(i));
  }

  // Registers for the next run: EL1h, interrupts masked, x0 and x1 as given.
  void Begin(unsigned i, const char* program, uint64_t x0 = 0, uint64_t x1 = 0);

  sys::VcpuExit Run(unsigned i = 0, uint64_t flags = 0) const {
    return sys::VcpuRun(vcpu_[i], flags);
  }

 private:
  CapIndex domain_, memory_;
  CapIndex vcpu_[kMaxVcpus];
  VcpuState* state_[kMaxVcpus];
  uint8_t* ram_;
  uint64_t code_pages_;
};

// Runs a vCPU as a VMM does: WFI by waiting, everything else ends the loop. For bare threads too.
struct Vmm {
  Vmm(const Guest& guest, unsigned i) : vcpu(guest.vcpu(i)), state(&guest.state(i)) {}

  // Until an exit other than WFI (and, if `hypercalls` says so, HVC).
  void operator()();
  uint64_t ExitClass() const { return state->exit.esr >> 26; }

  CapIndex vcpu;
  VcpuState* state;
  bool hypercalls = false;  // HVC goes on, too
  std::atomic<uint64_t> waits{0}, calls{0};
  std::atomic<int64_t> status{1};
  std::atomic<uint64_t> reason{0};
  std::atomic<bool> ended{false};

  Status Result() const { return static_cast<Status>(status.load()); }
  ExitReason Reason() const { return static_cast<ExitReason>(reason.load()); }
};

}  // namespace pyrene::kernel_test
