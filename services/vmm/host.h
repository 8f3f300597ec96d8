// SPDX-License-Identifier: Apache-2.0
//
// What the VMM's logic needs of the world outside: the kernel's Vcpu and Domain objects, the other
// services, the clock. main.cc implements it over system calls, tests by a fake. One virtual call
// deep, so that hot paths stay short.
//
// Every function may be called from any vCPU thread and from the event thread, at the same time,
// unless it says otherwise; none may call back into the VMM's logic.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel/abi/syscall.h"

namespace pyrene::vmm {

struct Vcpu;

// One end of an event channel that lies in a service: which one (an index into main's table of
// notifications) and which bit of its notification.
struct ServiceEnd {
  uint16_t service = 0;
  uint16_t bit = 0;
};

// Pages that belong to the VMM and appear where the guest asks for them.
enum class FrameKind : uint8_t { kSharedInfo, kGrantTable };

class Host {
 public:
  virtual ~Host() = default;

  // Makes the current or the next vcpu_run of that vCPU return (kVcpuKick): sticky.
  virtual void Kick(unsigned vcpu) = 0;
  // Wakes the thread of that vCPU out of Action::kWait: sticky.
  virtual void WakeThread(unsigned vcpu) = 0;
  // Brings VcpuState::el1 up to date (kVcpuSync); what is written there afterwards is taken over.
  // Only the vCPU's own thread.
  virtual void Sync(unsigned vcpu) = 0;
  // Translates `pages` (at most VcpuState::kMaxTranslations) consecutive pages from `va` on into
  // VcpuState::translation (kVcpuTranslate). False if nothing was written there. Only the vCPU's
  // own thread.
  virtual bool Translate(unsigned vcpu, uint64_t va, TranslateAccess access, unsigned pages) = 0;

  // The guest's stage 2, one page each. False: not possible (quota).
  virtual bool MapFrame(uint64_t gfn, FrameKind kind,
                        unsigned index) = 0;  // at a gfn where nothing is mapped
  virtual bool MapRam(uint64_t gfn) = 0;      // the RAM page that belongs there
  virtual bool MapAlias(uint64_t gfn, uint64_t source_gfn,
                        bool readonly) = 0;  // a second view of a RAM page
  virtual bool Unmap(uint64_t gfn) = 0;      // no vCPU can reach it any more when this returns

  // Signals a service: the guest sent an event.
  virtual void NotifyService(ServiceEnd end) = 0;
  // The same from the thread of the vCPU that sent it, which may do at once what the service would.
  // kNo: nothing was done, or not all; NotifyService is to be called. kPutOff: nothing was done, as
  // more is to come; ServePutOff is to be called before a vCPU sleeps, and NotifyService soon if
  // none does. The caller holds no lock.
  enum class Served : uint8_t { kNo, kYes, kPutOff };
  virtual Served ServeHere(ServiceEnd, Vcpu&) { return Served::kNo; }
  // From the thread of the vCPU that goes to sleep.
  virtual void ServePutOff(Vcpu&) {}
  // The guest closed its end of a channel; the service may be bound to that port again later.
  virtual void ServicePortClosed(uint32_t port, ServiceEnd end) = 0;
  // Makes the event thread call Domain::RunTimers soon: sticky.
  virtual void WakeEventThread() = 0;

  // Text that the guest wrote by console_io: no terminating NUL, any bytes. At most 256 bytes at a
  // time.
  virtual void GuestText(const char* text, size_t length) = 0;

  // CNTPCT_EL0.
  virtual uint64_t Now() = 0;
  // CPU time that the vCPU's thread has used, its guest included, in CNTPCT ticks. Only the vCPU's
  // own thread.
  virtual uint64_t CpuTicks(unsigned vcpu) = 0;
};

}  // namespace pyrene::vmm
