// SPDX-License-Identifier: Apache-2.0
//
// A guest: everything the VMM keeps of it, together. main.cc makes one, loads the guest's memory
// (boot.h), calls Boot, and runs one thread per vCPU (exit.h) and one for events. After a shutdown,
// with all vCPU threads at kEnd, Reset brings the start state back for a reboot.
#pragma once

#include <atomic>
#include <cstdint>

#include "services/vmm/action.h"
#include "services/vmm/config.h"
#include "services/vmm/event_channels.h"
#include "services/vmm/grant_table.h"
#include "services/vmm/guest_log.h"
#include "services/vmm/guest_memory.h"
#include "services/vmm/host.h"
#include "services/vmm/physmap.h"
#include "services/vmm/shutdown.h"
#include "services/vmm/ticks.h"
#include "services/vmm/timers.h"
#include "services/vmm/vcpu.h"
#include "services/vmm/vgic.h"

namespace pyrene::vmm {

class Domain {
 public:
  // `config` has passed ConfigError. `states`: the state page of each vCPU. All references stay
  // valid for the domain's life. Everything is in the start state afterwards.
  Domain(const DomainConfig& config, GuestMemory& memory, VcpuState* const* states, Host& host);
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;

  // ---- life cycle; main's controlling thread, while no vCPU runs ----
  // Start state again: shared_info, magic pages and grant table zeroed and seeded, ports 1
  // (xenstore) and 2 (console) bound, stage 2 with all RAM, vCPUs off. The contents of RAM are
  // main's business.
  void Reset();
  // vCPU 0 is to start at `entry` with the device tree's address in x0; `utc_ns`: the time of day
  // now.
  void Boot(uint64_t entry, uint64_t device_tree, uint64_t utc_ns);

  // ---- any thread ----
  // Stops all vCPUs; the first reason counts.
  void RequestShutdown(ShutdownReason reason);
  bool shut_down() const { return stop_reason_.load(std::memory_order_acquire) != kRunning; }
  // Only if shut_down().
  ShutdownReason shutdown_reason() const {
    return static_cast<ShutdownReason>(stop_reason_.load());
  }
  void Pause();
  void Unpause();
  bool paused() const { return paused_.load(std::memory_order_acquire); }
  uint32_t online_vcpus() const;
  // Since Boot.
  uint64_t UptimeNs() { return scale_.ToNs(host_.Now() - boot_ticks_); }
  uint32_t console_port() const { return console_port_; }
  uint32_t xenstore_port() const { return xenstore_port_; }

  // Event thread: runs what is due, returns when to call again at the latest (CNTPCT ticks,
  // kNoDeadline).
  uint64_t RunTimers();

  // ---- a vCPU's own thread ----
  // After Action::kWait and before the first run: what to do now.
  Action Resume(Vcpu& vcpu);
  // See Prepare below.
  Action PrepareSlowly(Vcpu& vcpu, Action action);

  const DomainConfig& config() const { return config_; }
  Host& host() { return host_; }
  GuestMemory& memory() { return memory_; }
  Vgic& vgic() { return vgic_; }
  EventChannels& events() { return events_; }
  GrantTable& grants() { return grants_; }
  Physmap& physmap() { return physmap_; }
  Timers& timers() { return timers_; }
  GuestLogLimit& log_limit() { return log_limit_; }
  const TickScale& scale() const { return scale_; }
  Vcpu& vcpu(uint32_t index) { return vcpus_[index]; }
  // Null if there is none.
  Vcpu* FindVcpu(uint64_t index) { return index < config_.vcpus ? &vcpus_[index] : nullptr; }
  bool IsSelf(uint16_t domid) const { return domid == xen::kDomidSelf || domid == config_.domid; }
  xen::SharedInfo* shared_info() {
    return reinterpret_cast<xen::SharedInfo*>(memory_.frames().shared_info);
  }
  uint64_t boot_ticks() const { return boot_ticks_; }
  // vm_assist(runstate_update_flag)
  std::atomic<bool>& runstate_update_flag() { return runstate_update_flag_; }

 private:
  static constexpr uint32_t kRunning = ~uint32_t{0};

  Action Attend(Vcpu& vcpu, Action action);
  void StopAll();
  void StartVcpu(Vcpu& vcpu);

  const DomainConfig config_;
  Host& host_;
  GuestMemory& memory_;
  const TickScale scale_;
  Vcpu vcpus_[xen::kMaxVcpus];
  Vgic vgic_;
  Timers timers_;
  EventChannels events_;
  GrantTable grants_;
  Physmap physmap_;
  GuestLogLimit log_limit_;
  std::atomic<uint32_t> stop_reason_{kRunning};
  std::atomic<bool> paused_{false};
  std::atomic<bool> runstate_update_flag_{false};
  uint64_t boot_ticks_ = 0;
  uint32_t console_port_ = 0;
  uint32_t xenstore_port_ = 0;
};

// The last step of every exit handler: what other threads want of this vCPU, then latched
// interrupts into list registers. Nothing of it is common.
inline Action Prepare(Vcpu& vcpu, Action action) {
  if ((vcpu.attention.load(std::memory_order_relaxed) | vcpu.gic.pending) != 0) {
    return vcpu.domain->PrepareSlowly(vcpu, action);
  }
  return action;
}

}  // namespace pyrene::vmm
