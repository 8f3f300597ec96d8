// SPDX-License-Identifier: Apache-2.0
//
// The VMM's world on the real kernel: system calls on the capabilities that main.cc has made. See
// host.h for who may call what.
#pragma once

#include <cstdint>

#include "kernel/abi/capability.h"
#include "services/vmm/host.h"
#include "services/vmm/xen_interface.h"

namespace pyrene::vmm {

// What a service is told with: a notification and, by ServiceEnd::bit, which of its bits.
struct ServiceTable {
  static constexpr unsigned kServices = 4;
  CapIndex notification[kServices] = {};
};

struct KernelCaps {
  CapIndex guest = kNullCap;  // Domain
  CapIndex vcpu[xen::kMaxVcpus] = {};
  CapIndex vcpu_thread[xen::kMaxVcpus] = {};        // for the CPU time
  CapIndex vcpu_notification[xen::kMaxVcpus] = {};  // wakes the vCPU's thread out of kWait
  CapIndex event = kNullCap;                        // Notification of the event thread
  uint64_t event_bit = 0;
  CapIndex ram = kNullCap;  // Memory: bank 0, first page is gfn ram_gfn
  uint64_t ram_gfn = 0;
  uint64_t ram_pages = 0;
  CapIndex frames = kNullCap;  // Memory: shared_info, then the grant table's frames
  ServiceTable services;
};

class KernelHost final : public Host {
 public:
  // Writes guest text (earlycon) somewhere; may be called from any thread.
  using TextSink = void (*)(const char* text, size_t length);

  KernelHost(const KernelCaps& caps, TextSink sink) : caps_(caps), sink_(sink) {}

  void Kick(unsigned vcpu) override;
  void WakeThread(unsigned vcpu) override;
  void Sync(unsigned vcpu) override;
  bool Translate(unsigned vcpu, uint64_t va, TranslateAccess access, unsigned pages) override;
  bool MapFrame(uint64_t gfn, FrameKind kind, unsigned index) override;
  bool MapRam(uint64_t gfn) override;
  bool MapAlias(uint64_t gfn, uint64_t source_gfn, bool readonly) override;
  bool Unmap(uint64_t gfn) override;
  void NotifyService(ServiceEnd end) override;
  void ServicePortClosed(uint32_t port, ServiceEnd end) override;
  void WakeEventThread() override;
  void GuestText(const char* text, size_t length) override;
  uint64_t Now() override;
  uint64_t CpuTicks(unsigned vcpu) override;

 private:
  bool RamIndex(uint64_t gfn, uint64_t* page) const;

  const KernelCaps& caps_;
  TextSink sink_;
};

}  // namespace pyrene::vmm
