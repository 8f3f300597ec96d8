// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/event_channels.h"

#include <bit>
#include <mutex>

namespace pyrene::vmm {
namespace {

bool IsPerVcpu(uint32_t virq) {
  return virq == xen::kVirqTimer || virq == xen::kVirqDebug || virq == xen::kVirqXenoprof;
}

}  // namespace

EventChannels::EventChannels(Host& host, Vgic& vgic, Timers& timers, Vcpu* vcpus,
                             uint32_t vcpu_count, uint16_t domid, xen::SharedInfo* shared,
                             uint32_t limit, uint64_t window)
    : host_(host),
      vgic_(vgic),
      vcpus_(vcpus),
      vcpu_count_(vcpu_count),
      domid_(domid),
      shared_(shared),
      limit_(limit < xen::kPorts ? limit : xen::kPorts - 1),
      timers_(timers),
      window_(window) {
  Reset();
}

void EventChannels::Reset() {
  std::lock_guard lock(mutex_);
  for (auto& port : ports_) port.store(0, std::memory_order_relaxed);
  for (auto& row : virq_ports_) {
    for (uint16_t& port : row) port = 0;
  }
  lowest_free_ = 1;
  polling_ = 0;
  for (auto& word : deferred_) word = 0;
  sent_ = 0;
  window_end_ = 0;
  for (uint32_t i = 0; i < vcpu_count_; ++i) {
    vcpus_[i].info = i == 0 ? &shared_->vcpu_info[0] : nullptr;
    vcpus_[i].info_registered = false;
  }
}

void EventChannels::Notify(uint32_t index, uint32_t w, const Vcpu* current) {
  if (Record(vcpus_[index], w)) vgic_.Raise(vcpus_[index], xen::kUpcallPpi, current);
}

void EventChannels::SetPending(uint32_t port, uint32_t vcpu, const Vcpu* current) {
  const uint32_t w = port / 64;
  const uint64_t bit = uint64_t{1} << (port % 64);
  if ((GuestFetchOr(&shared_->evtchn_pending[w], bit) & bit) != 0) return;         // step 1
  if ((GuestLoad(&shared_->evtchn_mask[w]) & bit) == 0) Notify(vcpu, w, current);  // step 2
  if (polling_.load() != 0) WakePollers();
}

int64_t EventChannels::Send(Vcpu& current, uint32_t port) {
  if (port >= xen::kPorts) return -xen::kEinval;
  const uint64_t word = ports_[port].load(std::memory_order_acquire);
  switch (State(word)) {
    case xen::kPortInterdomain:
      if (IsService(word)) {
        SendToService(current, port);
      } else {
        const uint32_t peer = RemotePort(word);
        SetPending(peer, NotifyVcpu(ports_[peer].load(std::memory_order_acquire)), &current);
      }
      return 0;
    case xen::kPortIpi:
      SetPending(port, NotifyVcpu(word), &current);
      return 0;
    case xen::kPortUnbound:
      return 0;
    default:
      return -xen::kEinval;
  }
}

void EventChannels::SendToService(Vcpu& current, uint32_t port) {
  const uint64_t word = ports_[port].load(std::memory_order_acquire);
  if (!IsService(word)) return;
  switch (host_.ServeHere(End(word), current)) {
    case Host::Served::kYes:
      return;
    case Host::Served::kPutOff:
      put_off_.store(true, std::memory_order_relaxed);
      return Defer(port, host_.Now() + window_ / kPatience);
    case Host::Served::kNo:
      break;
  }
  if (sent_.fetch_add(1, std::memory_order_relaxed) >= kBurst) [[unlikely]] {
    const uint64_t now = host_.Now();
    const uint64_t end = window_end_.load(std::memory_order_relaxed);
    if (now < end) return Defer(port, end);
    window_end_.store(now + window_, std::memory_order_relaxed);
    sent_.store(1, std::memory_order_relaxed);
  }
  host_.NotifyService(End(word));
}

void EventChannels::Defer(uint32_t port, uint64_t until) {
  // D1 the bit, D2 the timer unless it is set. The event thread: E1 clears the timer, E2 takes the
  // bits. A timer found set in D2 is cleared after it, so E2 sees D1.
  const uint64_t bit = uint64_t{1} << (port % 64);
  if ((deferred_[port / 64].fetch_or(bit) & bit) != 0) return;
  if (timers_.IsSet(Timers::kDeferredSlot)) return;
  timers_.Set(Timers::kDeferredSlot, until);
  host_.WakeEventThread();
}

void EventChannels::ServePutOff(Vcpu& current) {
  put_off_.store(false, std::memory_order_relaxed);
  host_.ServePutOff(current);
}

void EventChannels::SendDeferred() {
  for (uint32_t w = 0; w < xen::kPorts / 64; ++w) {
    for (uint64_t left = deferred_[w].exchange(0); left != 0; left &= left - 1) {
      const uint32_t port = w * 64 + static_cast<uint32_t>(std::countr_zero(left));
      const uint64_t word = ports_[port].load(std::memory_order_acquire);
      if (IsService(word)) host_.NotifyService(End(word));
    }
  }
}

int64_t EventChannels::Unmask(Vcpu& current, uint32_t port) {
  if (port >= xen::kPorts) return -xen::kEinval;
  const uint32_t w = port / 64;
  const uint64_t bit = uint64_t{1} << (port % 64);
  if ((GuestFetchAnd(&shared_->evtchn_mask[w], ~bit) & bit) != 0 &&
      (GuestLoad(&shared_->evtchn_pending[w]) & bit) != 0) {
    Notify(NotifyVcpu(ports_[port].load(std::memory_order_acquire)), w, &current);
  }
  return 0;
}

uint32_t EventChannels::FreePort() {
  for (uint32_t port = lowest_free_; port <= limit_; ++port) {
    if (State(ports_[port].load(std::memory_order_relaxed)) == xen::kPortClosed) {
      lowest_free_ = port + 1;
      return port;
    }
  }
  lowest_free_ = limit_ + 1;
  return 0;
}

uint32_t EventChannels::AllocateForService(uint16_t domid, ServiceEnd end) {
  std::lock_guard lock(mutex_);
  const uint32_t port = FreePort();
  if (port != 0) ports_[port].store(ServiceWord(0, domid, end), std::memory_order_release);
  return port;
}

bool EventChannels::BindService(uint32_t port, uint16_t domid, ServiceEnd end) {
  if (port >= xen::kPorts) return false;
  {
    std::lock_guard lock(mutex_);
    const uint64_t word = ports_[port].load(std::memory_order_relaxed);
    const bool offered = State(word) == xen::kPortUnbound && domid != domid_;
    if ((!offered && !IsService(word)) || RemoteDomid(word) != domid) return false;
    ports_[port].store(ServiceWord(NotifyVcpu(word), domid, end), std::memory_order_release);
  }
  host_.NotifyService(end);
  return true;
}

bool EventChannels::UnbindService(uint32_t port, uint16_t domid) {
  if (port >= xen::kPorts) return false;
  std::lock_guard lock(mutex_);
  const uint64_t word = ports_[port].load(std::memory_order_relaxed);
  if (!IsService(word) || RemoteDomid(word) != domid) return false;
  ports_[port].store(Word(xen::kPortUnbound, NotifyVcpu(word), domid, 0),
                     std::memory_order_release);
  return true;
}

bool EventChannels::RaiseFromService(uint32_t port, uint16_t domid, const Vcpu* current) {
  if (port >= xen::kPorts) return false;
  const uint64_t word = ports_[port].load(std::memory_order_acquire);
  if (!IsService(word) || RemoteDomid(word) != domid) return false;
  SetPending(port, NotifyVcpu(word), current);
  return true;
}

void EventChannels::RaiseVirq(uint32_t virq, uint32_t vcpu) {
  if (virq >= xen::kVirqs || vcpu >= vcpu_count_) return;
  std::lock_guard lock(mutex_);
  const uint32_t port = virq_ports_[vcpu][virq];
  if (port == 0) return;
  SetPending(port, NotifyVcpu(ports_[port].load(std::memory_order_relaxed)), nullptr);
}

int64_t EventChannels::AllocUnbound(uint16_t remote, uint32_t* port) {
  std::lock_guard lock(mutex_);
  *port = FreePort();
  if (*port == 0) return -xen::kEnospc;
  const uint16_t domid = remote == xen::kDomidSelf ? domid_ : remote;
  ports_[*port].store(Word(xen::kPortUnbound, 0, domid, 0), std::memory_order_release);
  return 0;
}

int64_t EventChannels::BindLoopback(Vcpu& current, uint32_t remote_port, uint32_t* port) {
  if (remote_port >= xen::kPorts) return -xen::kEinval;
  std::lock_guard lock(mutex_);
  const uint64_t remote = ports_[remote_port].load(std::memory_order_relaxed);
  if (State(remote) != xen::kPortUnbound || RemoteDomid(remote) != domid_) return -xen::kEinval;
  *port = FreePort();
  if (*port == 0) return -xen::kEnospc;
  ports_[*port].store(Word(xen::kPortInterdomain, 0, domid_, remote_port),
                      std::memory_order_release);
  ports_[remote_port].store(Word(xen::kPortInterdomain, NotifyVcpu(remote), domid_, *port),
                            std::memory_order_release);
  // What was sent to the unbound port before now was dropped: the new end looks once.
  SetPending(*port, 0, &current);
  return 0;
}

int64_t EventChannels::BindVirq(uint32_t virq, uint32_t vcpu, uint32_t* port) {
  if (virq >= xen::kVirqs) return -xen::kEinval;
  if (!IsPerVcpu(virq) && vcpu != 0) return -xen::kEinval;
  if (vcpu >= vcpu_count_) return -xen::kEnoent;
  // The other VIRQs tell a control domain about the machine, which no guest is.
  if (!IsPerVcpu(virq)) return -xen::kEbusy;
  std::lock_guard lock(mutex_);
  if (virq_ports_[vcpu][virq] != 0) return -xen::kEexist;
  *port = FreePort();
  if (*port == 0) return -xen::kEnospc;
  ports_[*port].store(Word(xen::kPortVirq, vcpu, domid_, virq), std::memory_order_release);
  virq_ports_[vcpu][virq] = static_cast<uint16_t>(*port);
  return 0;
}

int64_t EventChannels::BindIpi(uint32_t vcpu, uint32_t* port) {
  if (vcpu >= vcpu_count_) return -xen::kEnoent;
  std::lock_guard lock(mutex_);
  *port = FreePort();
  if (*port == 0) return -xen::kEnospc;
  ports_[*port].store(Word(xen::kPortIpi, vcpu, domid_, 0), std::memory_order_release);
  return 0;
}

int64_t EventChannels::BindVcpu(uint32_t port, uint32_t vcpu) {
  if (vcpu >= vcpu_count_) return -xen::kEnoent;
  if (port >= xen::kPorts) return -xen::kEinval;
  std::lock_guard lock(mutex_);
  const uint64_t word = ports_[port].load(std::memory_order_relaxed);
  if (State(word) != xen::kPortUnbound && State(word) != xen::kPortInterdomain)
    return -xen::kEinval;
  ports_[port].store((word & ~uint64_t{0xff00}) | uint64_t{vcpu} << 8, std::memory_order_release);
  return 0;
}

void EventChannels::CloseLocked(uint32_t port) {
  const uint64_t word = ports_[port].load(std::memory_order_relaxed);
  switch (State(word)) {
    case xen::kPortInterdomain:
      if (IsService(word)) {
        host_.ServicePortClosed(port, End(word));
      } else {
        const uint32_t peer = RemotePort(word);
        const uint32_t vcpu = NotifyVcpu(ports_[peer].load(std::memory_order_relaxed));
        ports_[peer].store(Word(xen::kPortUnbound, vcpu, domid_, 0), std::memory_order_release);
      }
      break;
    case xen::kPortVirq:
      virq_ports_[NotifyVcpu(word)][RemotePort(word)] = 0;
      break;
    default:
      break;
  }
  ports_[port].store(0, std::memory_order_release);
  GuestFetchAnd(&shared_->evtchn_pending[port / 64], ~(uint64_t{1} << (port % 64)));
  if (port < lowest_free_) lowest_free_ = port;
}

int64_t EventChannels::Close(uint32_t port) {
  if (port >= xen::kPorts) return -xen::kEinval;
  std::lock_guard lock(mutex_);
  if (State(ports_[port].load(std::memory_order_relaxed)) == xen::kPortClosed) return -xen::kEinval;
  CloseLocked(port);
  return 0;
}

void EventChannels::CloseAll() {
  std::lock_guard lock(mutex_);
  for (uint32_t port = 1; port <= limit_; ++port) {
    if (State(ports_[port].load(std::memory_order_relaxed)) != xen::kPortClosed) CloseLocked(port);
  }
}

int64_t EventChannels::Status(xen::EvtchnStatus* status) {
  if (status->port == 0 || status->port > limit_) return -xen::kEinval;
  const uint64_t word = ports_[status->port].load(std::memory_order_acquire);
  status->status = State(word);
  status->vcpu = NotifyVcpu(word);
  status->u0 = status->u1 = 0;
  switch (State(word)) {
    case xen::kPortUnbound:
      status->u0 = RemoteDomid(word);
      break;
    case xen::kPortInterdomain:
      status->u0 = RemoteDomid(word);
      // A service's end has no port number; its bit serves as one.
      status->u1 = IsService(word) ? End(word).bit : RemotePort(word);
      break;
    case xen::kPortVirq:
      status->u0 = RemotePort(word);
      break;
    default:
      break;
  }
  return 0;
}

bool EventChannels::RegisterInfo(Vcpu& target, xen::VcpuInfo* info, const Vcpu* current) {
  if (target.info_registered.exchange(true)) return false;
  target.info.store(info);                                               // R1
  __atomic_store_n(&info->pending_sel, ~uint64_t{0}, __ATOMIC_SEQ_CST);  // R2
  GuestExchange(&info->upcall_pending, 1);
  vgic_.Raise(target, xen::kUpcallPpi, current);
  return true;
}

void EventChannels::WakePollers() {
  for (uint32_t left = polling_.exchange(0); left != 0; left &= left - 1) {
    host_.Kick(std::countr_zero(left));
  }
}

}  // namespace pyrene::vmm
