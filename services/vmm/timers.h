// SPDX-License-Identifier: Apache-2.0
//
// Deadlines that the event thread waits for: SCHEDOP_poll of each vCPU, the guest's two watchdogs,
// and notifications put off. A fixed set of slots. Any thread sets a slot (and then makes the event
// thread look: Host::WakeEventThread); the event thread runs them.
#pragma once

#include <atomic>
#include <cstdint>

#include "kernel/abi/syscall.h"
#include "services/vmm/xen_interface.h"

namespace pyrene::vmm {

class Timers {
 public:
  static constexpr unsigned kWatchdogs = 2;
  static constexpr unsigned kDeferredSlot = xen::kMaxVcpus + kWatchdogs;
  static constexpr unsigned kSlots = kDeferredSlot + 1;

  Timers() { Reset(); }
  void Reset() {
    for (auto& slot : deadline_) slot.store(kNoDeadline, std::memory_order_relaxed);
  }

  static constexpr unsigned PollSlot(unsigned vcpu) { return vcpu; }
  static constexpr unsigned WatchdogSlot(unsigned watchdog) { return xen::kMaxVcpus + watchdog; }

  // `deadline` in CNTPCT ticks, kNoDeadline to cancel.
  void Set(unsigned slot, uint64_t deadline) {
    deadline_[slot].store(deadline, std::memory_order_release);
  }
  bool IsSet(unsigned slot) const { return deadline_[slot].load() != kNoDeadline; }

  // The slots whose deadline has come, as a mask; they are cleared. The next deadline is left in
  // *next. Event thread.
  uint32_t TakeExpired(uint64_t now, uint64_t* next) {
    uint32_t expired = 0;
    *next = kNoDeadline;
    for (unsigned slot = 0; slot < kSlots; ++slot) {
      uint64_t deadline = deadline_[slot].load(std::memory_order_acquire);
      // A slot that is set anew meanwhile keeps its new deadline.
      if (deadline <= now && deadline_[slot].compare_exchange_strong(deadline, kNoDeadline)) {
        expired |= uint32_t{1} << slot;
      } else if (deadline < *next) {
        *next = deadline;
      }
    }
    return expired;
  }

 private:
  std::atomic<uint64_t> deadline_[kSlots];
};

}  // namespace pyrene::vmm
