// SPDX-License-Identifier: Apache-2.0
//
// One virtual CPU as the VMM keeps it, beside the state page that it shares with the kernel.
//
// One thread runs each vCPU (its "own thread"). Who may touch what is said at each group of fields.
// Crossing threads goes by `attention`:
//
//   another thread                              own thread, before each vcpu_run (Prepare)
//   A1  write the fact (incoming, stop, ...)    B1  read attention; if not 0, exchange it with 0
//   A2  attention |= bit (release)                  (acquire)
//   A3  kick, if the bit was not set before     B2  read the facts, act
//                                               B3  vcpu_run
//
// Race 1: A2 after B1. The kick of A3 is sticky, so B3 returns at once with kKick, and the next B1
//   sees the bit.
// Race 2: two writers, A and A'. A' finds the bit that A has set (A2) and does not kick. If B1 has
//   not happened yet, it takes both facts, as A' wrote its own before its A2. If B1 took A's bit
//   before A2', then A' found 0 and kicks itself.
// Race 3: A2 before B1, A3 after it: one exit too many, harmless.
#pragma once

#include <atomic>
#include <cstdint>

#include "kernel/abi/vcpu_state.h"
#include "services/vmm/vgic_cpu.h"
#include "services/vmm/xen_interface.h"

namespace pyrene::vmm {

class Domain;

// Bits of Vcpu::attention.
inline constexpr uint64_t kAttendInterrupts = 1;  // gic.incoming holds something
inline constexpr uint64_t kAttendRecheck = 2;     // what may be delivered has changed (distributor)
inline constexpr uint64_t kAttendStop = 4;        // the domain is shutting down, or paused

enum class Power : uint32_t {
  kOff,       // waits for CPU_ON
  kClaimed,   // somebody is writing start_entry and start_context
  kStarting,  // its thread will take them over
  kOn,
};

struct Vcpu {
  Vcpu() = default;
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  // Any thread. First, because it is read at every exit: gcc addresses atomics without offset.
  std::atomic<uint64_t> attention{0};

  // Constant.
  VcpuState* state = nullptr;
  Domain* domain = nullptr;
  uint32_t index = 0;

  // Own thread. Set while the last action was kBlock.
  bool blocked = false;

  VgicCpu gic;

  // Where event-channel upcalls are recorded; null before the guest registered it (vCPU 0 has one
  // in shared_info).
  std::atomic<xen::VcpuInfo*> info{nullptr};
  std::atomic<bool> info_registered{false};

  // Runstate area: guest-physical addresses of its two parts (the second one 0 unless it crosses a
  // page), 0 = none. Written at registration by any vCPU, read by the own thread.
  std::atomic<uint64_t> runstate_first{0};
  std::atomic<uint64_t> runstate_second{0};
  // Own thread. Times in counter ticks.
  struct Account {
    uint64_t since = 0;      // when the figures below were last brought up to date
    uint64_t cpu_time = 0;   // of the thread, then
    uint64_t ticks[4] = {};  // by xen::Runstate
    bool slept = false;      // since then
  } account;

  // PSCI. kOff -> kClaimed -> kStarting by whoever calls CPU_ON; kStarting -> kOn -> kOff by the
  // own thread.
  std::atomic<Power> power{Power::kOff};
  uint64_t start_entry = 0;
  uint64_t start_context = 0;

  // For `xl vcpu-list`: 'r' running or ready, 'b' blocked. Any thread reads.
  bool IsBlocked() const { return shown_blocked.load(std::memory_order_relaxed); }
  std::atomic<bool> shown_blocked{false};
};

}  // namespace pyrene::vmm
