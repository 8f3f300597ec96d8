// SPDX-License-Identifier: Apache-2.0
//
// Event channels of one guest, 2-level interface (ABI 3): the ports' table and the delivery of
// events.
//
// Other ends of a port: another port of the same guest (interdomain with oneself), the guest's own
// vCPU (IPI, VIRQ), or a service.
//
// Threads. Sending and raising read a port's word once and take no lock. Whatever changes the table
// holds mutex_. So an event can be raised on a port that is closed at that moment: its pending bit
// is then seen by the next user of the port as one event too many, which guests must and do
// tolerate; nobody but this guest sees it.
//
// Delivery of port p, word w = p/64, to vCPU v. Each step is atomic and sequentially consistent
// (guest_word.h):
//
//   1  pending[p] |= 1        stop if it was set: the guest has not looked yet, or another sender
//                             is at steps 2 to 5
//   2  read mask[p]           stop if it is set: EVTCHNOP_unmask goes on at step 3
//   3  v.pending_sel |= w     stop if it was set
//   4  v.upcall_pending = 1   stop if it was set
//   5  PPI 31 at v            latched; the vCPU leaves WFI
//
// The guest, in its upcall, while upcall_pending:
//
//   G1  upcall_pending = 0
//   G2  sel = exchange(pending_sel, 0)
//   G3  for each word of sel: handle pending & ~mask
//
// Race 1: step 3 finds the bit set by a sender that has not reached step 4. That sender's steps 4
//   and 5 come, and the G3 that follows reads pending after our step 1.
// Race 2: step 4 finds 1. Then G1 of that upcall is still to come, and G2 after it sees our w.
// Race 3: register_vcpu_info on another thread, R1 v.info = new place, R2 pending_sel = ~0 and
//   upcall_pending = 1, PPI 31. A sender that loaded the old place, or none, did step 1 before R1,
//   so the guest's scan of all words after R2 finds the port.
// Race 4: SCHEDOP_poll, P1 polling |= own bit, P2 look at the ports' pending bits, P3 block. The
//   sender reads polling after step 1. Either P2 sees step 1, or the sender sees P1 and kicks; the
//   kick is sticky.
#pragma once

#include <atomic>
#include <cstdint>

#include "services/vmm/guest_word.h"
#include "services/vmm/host.h"
#include "services/vmm/mutex.h"
#include "services/vmm/timers.h"
#include "services/vmm/vgic.h"
#include "services/vmm/xen_interface.h"

namespace pyrene::vmm {

class EventChannels {
 public:
  // `shared` is the shared_info page for the guest's life. `limit`: highest port number that may be
  // allocated (xl: 1023). `window`: in counter ticks, see kBurst.
  EventChannels(Host& host, Vgic& vgic, Timers& timers, Vcpu* vcpus, uint32_t vcpu_count,
                uint16_t domid, xen::SharedInfo* shared, uint32_t limit, uint64_t window);

  // All ports closed, vCPU 0's record in shared_info, nobody registered. No vCPU runs; the caller
  // has zeroed shared_info.
  void Reset();

  // ---- for services; event thread, or whoever handles their requests ----
  // A port whose other end is a service from the start (console, xenstore). 0: no port free.
  uint32_t AllocateForService(uint16_t domid, ServiceEnd end);
  // The service `domid` binds a port that the guest allocated for it, or, restarted, one that it
  // had bound before. It is signalled once, in case the guest sent meanwhile. False: that port is
  // neither.
  bool BindService(uint32_t port, uint16_t domid, ServiceEnd end);
  // The service's end goes away; the port is unbound for `domid` again. False: not bound to it.
  bool UnbindService(uint32_t port, uint16_t domid);
  // An event from the service `domid` to the guest. False: the port is not bound to that service
  // (the guest may have closed it).
  // `current` as for Vgic::Raise.
  bool RaiseFromService(uint32_t port, uint16_t domid, const Vcpu* current = nullptr);
  void RaiseVirq(uint32_t virq, uint32_t vcpu);

  // ---- for the guest; own thread of `current`. Negative errno, or 0 ----
  int64_t AllocUnbound(uint16_t remote, uint32_t* port);
  int64_t BindLoopback(Vcpu& current, uint32_t remote_port, uint32_t* port);
  int64_t BindVirq(uint32_t virq, uint32_t vcpu, uint32_t* port);
  int64_t BindIpi(uint32_t vcpu, uint32_t* port);
  int64_t BindVcpu(uint32_t port, uint32_t vcpu);
  int64_t Close(uint32_t port);
  int64_t Status(xen::EvtchnStatus* status);
  void CloseAll();

  int64_t Send(Vcpu& current, uint32_t port);
  int64_t Unmask(Vcpu& current, uint32_t port);

  // The same where the port notifies the calling vCPU itself, without a call on the way, for the
  // hypercall's fast path.
  enum class Quick {
    kDone,         // as Send or Unmask with result 0
    kWakePollers,  // done, but WakePollers is to be called
    kService,      // a service's port: SendToService is to be called
    kNo,           // not such a port; nothing was done
  };
  [[gnu::always_inline]] Quick TrySend(Vcpu& current, uint32_t port) {
    if (port >= xen::kPorts) [[unlikely]]
      return Quick::kNo;
    uint64_t word = ports_[port].load(std::memory_order_acquire);
    if (State(word) != xen::kPortIpi) {
      if (State(word) != xen::kPortInterdomain) return Quick::kNo;
      if (IsService(word)) return Quick::kService;
      port = RemotePort(word);
      word = ports_[port].load(std::memory_order_acquire);
    }
    if (NotifyVcpu(word) != current.index) return Quick::kNo;
    const uint32_t w = port / 64;
    const uint64_t bit = uint64_t{1} << (port % 64);
    if ((GuestFetchOr(&shared_->evtchn_pending[w], bit) & bit) != 0) return Quick::kDone;  // step 1
    if ((GuestLoad(&shared_->evtchn_mask[w]) & bit) == 0) NotifySelf(current, w);          // step 2
    return polling_.load() == 0 ? Quick::kDone : Quick::kWakePollers;
  }
  [[gnu::always_inline]] Quick TryUnmask(Vcpu& current, uint32_t port) {
    if (port >= xen::kPorts) [[unlikely]]
      return Quick::kNo;
    if (NotifyVcpu(ports_[port].load(std::memory_order_acquire)) != current.index)
      return Quick::kNo;
    const uint32_t w = port / 64;
    const uint64_t bit = uint64_t{1} << (port % 64);
    if ((GuestFetchAnd(&shared_->evtchn_mask[w], ~bit) & bit) != 0 &&
        (GuestLoad(&shared_->evtchn_pending[w]) & bit) != 0) {
      NotifySelf(current, w);
    }
    return Quick::kDone;
  }

  // Wakes the vCPUs in SCHEDOP_poll.
  void WakePollers();

  // Signals the service behind a port. A guest that sends without end must not buy the time of
  // services, which run before all guests: at most kBurst signals go out at once, and then as many
  // in each window of 10 ms. What exceeds that is put off to the window's end, where one signal per
  // port stands for all.
  static constexpr uint32_t kBurst = 1024;
  // What the sender's own thread can do at once costs nobody else's time, and is not counted; nor
  // is what it puts off, until a vCPU goes to sleep or for half a millisecond.
  void SendToService(Vcpu& current, uint32_t port);
  static constexpr uint64_t kPatience = 20;  // of that in a window
  // By the thread of a vCPU that goes to sleep.
  bool has_put_off() const { return put_off_.load(std::memory_order_relaxed); }
  void ServePutOff(Vcpu& current);
  // Event thread, when Timers::kDeferredSlot is due.
  void SendDeferred();

  // vCPU's place for upcalls: VCPUOP_register_vcpu_info, from then on for good. False: it has one
  // already.
  bool RegisterInfo(Vcpu& target, xen::VcpuInfo* info, const Vcpu* current);

  // SCHEDOP_poll: marks the vCPU (P1). The caller then looks with IsPending (P2) and blocks (P3).
  void StartPolling(const Vcpu& vcpu) { polling_.fetch_or(1u << vcpu.index); }
  void StopPolling(const Vcpu& vcpu) { polling_.fetch_and(~(1u << vcpu.index)); }
  bool IsPending(uint32_t port) const {
    return (GuestLoad(&shared_->evtchn_pending[port / 64]) >> (port % 64) & 1) != 0;
  }

 private:
  // Signals the service behind a port at `until`, or before.
  void Defer(uint32_t port, uint64_t until);

  // A port's word: state 2:0, service 3, vCPU to notify 15:8, domid of the other end 31:16, and in
  // 47:32 the other port, the VIRQ or the service's index, in 63:48 the service's bit.
  static constexpr uint64_t kService = 8;
  static constexpr uint64_t kStateMask = 7;
  static uint32_t State(uint64_t word) { return word & kStateMask; }
  static bool IsService(uint64_t word) { return (word & kService) != 0; }
  static uint32_t NotifyVcpu(uint64_t word) { return word >> 8 & 0xff; }
  static uint16_t RemoteDomid(uint64_t word) { return static_cast<uint16_t>(word >> 16); }
  static uint32_t RemotePort(uint64_t word) { return word >> 32 & 0xffff; }
  static ServiceEnd End(uint64_t word) {
    return {static_cast<uint16_t>(word >> 32), static_cast<uint16_t>(word >> 48)};
  }
  static uint64_t Word(uint32_t state, uint32_t vcpu, uint16_t domid, uint64_t rest) {
    return state | uint64_t{vcpu} << 8 | uint64_t{domid} << 16 | rest << 32;
  }
  static uint64_t ServiceWord(uint32_t vcpu, uint16_t domid, ServiceEnd end) {
    return Word(xen::kPortInterdomain, vcpu, domid, end.service | uint64_t{end.bit} << 16) |
           kService;
  }

  // Steps 1 to 5, and 3 to 5. `current` as for Vgic::Raise.
  void SetPending(uint32_t port, uint32_t vcpu, const Vcpu* current);
  void Notify(uint32_t index, uint32_t w, const Vcpu* current);
  // Steps 3 and 4. True: it remains to raise the upcall (5).
  static bool Record(Vcpu& vcpu, uint32_t w) {
    xen::VcpuInfo* info = vcpu.info.load();
    if (info == nullptr) [[unlikely]]
      return false;  // held until register_vcpu_info
    if ((GuestFetchOr(&info->pending_sel, uint64_t{1} << w) >> w & 1) != 0) return false;
    return GuestExchange(&info->upcall_pending, 1) == 0;
  }
  static void NotifySelf(Vcpu& vcpu, uint32_t w) {
    if (Record(vcpu, w)) Vgic::RaiseSelf(vcpu, xen::kUpcallPpi);
  }

  // With mutex_ held.
  uint32_t FreePort();
  void CloseLocked(uint32_t port);

  Host& host_;
  Vgic& vgic_;
  Vcpu* const vcpus_;
  const uint32_t vcpu_count_;
  const uint16_t domid_;
  xen::SharedInfo* const shared_;
  const uint32_t limit_;

  // Bit per vCPU in SCHEDOP_poll. May be stale, then it costs one kick.
  std::atomic<uint32_t> polling_{0};
  std::atomic<uint64_t> ports_[xen::kPorts] = {};

  Timers& timers_;
  const uint64_t window_;
  std::atomic<uint32_t> sent_{0};        // in this window
  std::atomic<uint64_t> window_end_{0};  // in ticks; looked at only when sent_ is used up
  std::atomic<uint64_t> deferred_[xen::kPorts / 64] = {};
  std::atomic<bool> put_off_{false};  // a sender's thread is to do something before it sleeps
  Mutex mutex_;
  uint32_t lowest_free_ = 1;                               // no free port below; under mutex_
  uint16_t virq_ports_[xen::kMaxVcpus][xen::kVirqs] = {};  // under mutex_; 0 = not bound
};

}  // namespace pyrene::vmm
