// SPDX-License-Identifier: Apache-2.0
//
// The VMM's world on the real kernel: system calls on the capabilities that main.cc has made. See
// host.h for who may call what.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "kernel/abi/capability.h"
#include "services/vmm/host.h"
#include "services/vmm/xen_interface.h"

namespace pyrene::vmm {

// By ServiceEnd::service: what a service is told with, and which bits are signalled (through a
// badged capability all are, and the badge says which count).
struct ServiceTable {
  static constexpr unsigned kServices = 4;
  CapIndex notification[kServices] = {};
  uint64_t bits[kServices] = {};
};

struct KernelCaps {
  CapIndex guest = kNullCap;  // Domain
  CapIndex vcpu[xen::kMaxVcpus] = {};
  CapIndex vcpu_thread[xen::kMaxVcpus] = {};        // for the CPU time
  CapIndex vcpu_notification[xen::kMaxVcpus] = {};  // wakes the vCPU's thread out of kWait
  CapIndex event = kNullCap;                        // Notification of the event thread
  uint64_t event_bit = 0;
  // The guest's RAM, in the order of guest-physical addresses.
  struct RamPiece {
    CapIndex memory = kNullCap;
    uint64_t first_page = 0;  // in that Memory
    uint64_t gfn = 0;
    uint64_t pages = 0;
  };
  static constexpr unsigned kRamPieces =
      10;  // eight of init's, of which the border of the first bank may cut one
  RamPiece ram[kRamPieces];
  unsigned ram_pieces = 0;
  CapIndex frames = kNullCap;  // Memory: shared_info, then the grant table's frames
  ServiceTable services;
};

class KernelHost final : public Host {
 public:
  // Writes guest text (earlycon) somewhere; may be called from any thread.
  using TextSink = void (*)(const char* text, size_t length);

  // Serves the rings behind the ends of service `service`, as Host::ServeHere.
  struct Rings {
    uint16_t service = 0;
    std::function<Served(Vcpu&, bool may_put_off)> serve;
  };

  KernelHost(const KernelCaps& caps, TextSink sink, Rings rings)
      : caps_(caps), sink_(sink), rings_(std::move(rings)) {}

  void Kick(unsigned vcpu) override;
  void WakeThread(unsigned vcpu) override;
  void Sync(unsigned vcpu) override;
  bool Translate(unsigned vcpu, uint64_t va, TranslateAccess access, unsigned pages) override;
  bool MapFrame(uint64_t gfn, FrameKind kind, unsigned index) override;
  bool MapRam(uint64_t gfn) override;
  bool MapAlias(uint64_t gfn, uint64_t source_gfn, bool readonly) override;
  bool Unmap(uint64_t gfn) override;
  void NotifyService(ServiceEnd end) override;
  Served ServeHere(ServiceEnd end, Vcpu& vcpu) override;
  void ServePutOff(Vcpu& vcpu) override;
  void ServicePortClosed(uint32_t port, ServiceEnd end) override;
  void WakeEventThread() override;
  void GuestText(const char* text, size_t length) override;
  uint64_t Now() override;
  uint64_t CpuTicks(unsigned vcpu) override;

 private:
  // The piece that a frame lies in, and its page in that piece's Memory; null if it is no RAM.
  const KernelCaps::RamPiece* FindRam(uint64_t gfn, uint64_t* page) const;

  const KernelCaps& caps_;
  TextSink sink_;
  const Rings rings_;
};

}  // namespace pyrene::vmm
