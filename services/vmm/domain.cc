// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/domain.h"

#include <bit>

#include "services/vmm/guest_word.h"
#include "services/vmm/runstate.h"
#include "services/vmm/translator.h"
#include "services/vmm/wallclock.h"

namespace pyrene::vmm {
namespace {

constexpr uint64_t kEl1hMasked = 0x3c5;       // PSTATE: EL1h, D A I F set
constexpr uint64_t kSctlrStart = 0x00c50078;  // MMU and caches off
constexpr uint64_t kWindowsPerSecond = 100;   // see EventChannels::kBurst
constexpr uint64_t kVmpidrRes1 = uint64_t{1} << 31;

void Zero(std::byte* memory, uint64_t bytes) {
  for (uint64_t i = 0; i < bytes; i += 8)
    GuestStore(reinterpret_cast<uint64_t*>(memory + i), uint64_t{0});
}

// For the Vgic member, which resets the state pages when it is made.
Vcpu* WithStates(Vcpu* vcpus, VcpuState* const* states, uint32_t count, Domain* domain) {
  for (uint32_t i = 0; i < count; ++i) {
    vcpus[i].state = states[i];
    vcpus[i].index = i;
    vcpus[i].domain = domain;
  }
  return vcpus;
}

}  // namespace

const char* ConfigError(const DomainConfig& config) {
  if (config.domid == 0 || config.domid >= xen::kFirstReservedDomid) return "domid out of range";
  if (config.vcpus == 0 || config.vcpus > xen::kMaxVcpus) return "a guest has 1 to 8 vCPUs";
  if (config.max_event_channels < 2 || config.max_event_channels >= xen::kPorts) {
    return "max_event_channels must be 2 to 4095";
  }
  if (config.max_grant_frames == 0 ||
      config.max_grant_frames > xen::kGrantWindowSize / xen::kPageSize) {
    return "max_grant_frames must be 1 to 4096";
  }
  if (config.counter_frequency == 0) return "the counter's frequency is not known";
  return nullptr;
}

Domain::Domain(const DomainConfig& config, GuestMemory& memory, VcpuState* const* states,
               Host& host)
    : config_(config),
      host_(host),
      memory_(memory),
      scale_(config.counter_frequency),
      vgic_(host, WithStates(vcpus_, states, config.vcpus, this), config.vcpus),
      events_(host, vgic_, timers_, vcpus_, config.vcpus, config.domid, shared_info(),
              config.max_event_channels, config.counter_frequency / kWindowsPerSecond),
      grants_(host, memory, config.domid, config.max_grant_frames, config.max_grant_maps),
      physmap_(host, memory, grants_) {
  Reset();
}

void Domain::Reset() {
  for (uint32_t i = 0; i < config_.vcpus; ++i) {
    Vcpu& vcpu = vcpus_[i];
    vcpu.attention = 0;
    vcpu.blocked = false;
    vcpu.shown_blocked = false;
    vcpu.runstate_first = vcpu.runstate_second = 0;
    vcpu.account = {};
    vcpu.power = Power::kOff;
    vcpu.state->hvc_translate = kPretranslated;
  }
  grants_.Reset();
  physmap_.Reset();
  timers_.Reset();
  vgic_.Reset();
  Zero(memory_.frames().shared_info, xen::kPageSize);
  Zero(memory_.magic().host, memory_.magic().bytes);
  events_.Reset();
  // In xl's order: the guest finds them by HVM parameters, people by habit.
  xenstore_port_ = events_.AllocateForService(config_.xenstore_domid, config_.xenstore);
  console_port_ = events_.AllocateForService(config_.console_domid, config_.console);
  grants_.Seed(xen::kGrantRefConsole, config_.console_domid, xen::kConsoleRing >> xen::kPageShift);
  grants_.Seed(xen::kGrantRefXenstore, config_.xenstore_domid,
               xen::kXenstoreRing >> xen::kPageShift);
  runstate_update_flag_ = false;
  paused_ = false;
  stop_reason_ = kRunning;
  boot_ticks_ = host_.Now();
  log_limit_.Reset(boot_ticks_);
}

void Domain::Boot(uint64_t entry, uint64_t device_tree, uint64_t utc_ns) {
  boot_ticks_ = host_.Now();
  // The guest's clock is this plus its virtual counter, which starts at 0 now.
  SetWallclock(*shared_info(), utc_ns);
  vcpus_[0].start_entry = entry;
  vcpus_[0].start_context = device_tree;
  vcpus_[0].power = Power::kStarting;
}

void Domain::RequestShutdown(ShutdownReason reason) {
  uint32_t running = kRunning;
  if (!stop_reason_.compare_exchange_strong(running, static_cast<uint32_t>(reason))) return;
  StopAll();
}

void Domain::Pause() {
  if (!paused_.exchange(true)) StopAll();
}

void Domain::Unpause() {
  if (!paused_.exchange(false)) return;
  for (uint32_t i = 0; i < config_.vcpus; ++i) host_.WakeThread(i);
}

void Domain::StopAll() {
  for (uint32_t i = 0; i < config_.vcpus; ++i) {
    vgic_.Attend(vcpus_[i], kAttendStop);
    host_.WakeThread(i);  // for those that are off
  }
}

uint32_t Domain::online_vcpus() const {
  uint32_t online = 0;
  for (uint32_t i = 0; i < config_.vcpus; ++i) {
    if (vcpus_[i].power.load(std::memory_order_relaxed) != Power::kOff) ++online;
  }
  return online;
}

uint64_t Domain::RunTimers() {
  uint64_t next = kNoDeadline;
  uint32_t expired = timers_.TakeExpired(host_.Now(), &next);
  for (; expired != 0; expired &= expired - 1) {
    const unsigned slot = std::countr_zero(expired);
    if (slot == Timers::kDeferredSlot) {
      events_.SendDeferred();
    } else if (slot >= Timers::WatchdogSlot(0)) {
      RequestShutdown(ShutdownReason::kWatchdog);
    } else if (slot < config_.vcpus) {
      host_.Kick(slot);
    }
  }
  return next;
}

Action Domain::PrepareSlowly(Vcpu& vcpu, Action action) {
  if (vcpu.attention.load(std::memory_order_relaxed) != 0) action = Attend(vcpu, action);
  if (vcpu.gic.pending != 0) vgic_.Deliver(vcpu);
  return action;
}

Action Domain::Attend(Vcpu& vcpu, Action action) {
  const uint64_t bits = vcpu.attention.exchange(0, std::memory_order_acquire);
  if ((bits & kAttendInterrupts) != 0) vgic_.Merge(vcpu);
  if ((bits & kAttendRecheck) != 0) vgic_.Recheck(vcpu);
  if ((bits & kAttendStop) != 0) {
    if (shut_down()) return Action::kEnd;
    if (paused()) return Action::kWait;
  }
  return action;
}

Action Domain::Resume(Vcpu& vcpu) {
  if (shut_down()) return Action::kEnd;
  if (paused()) return Action::kWait;
  switch (vcpu.power.load(std::memory_order_acquire)) {
    case Power::kOn:
      break;
    case Power::kStarting:
      StartVcpu(vcpu);
      vcpu.power.store(Power::kOn, std::memory_order_release);
      break;
    default:
      return Action::kWait;
  }
  return Prepare(vcpu, Action::kRun);
}

void Domain::StartVcpu(Vcpu& vcpu) {
  host_.Sync(vcpu.index);
  VcpuState& state = *vcpu.state;
  for (uint64_t& x : state.x) x = 0;
  state.x[0] = vcpu.start_context;
  state.pc = vcpu.start_entry;
  state.pstate = kEl1hMasked;
  const uint64_t vpidr = state.el1.vpidr;
  state.el1 = {};
  state.el1.vpidr = vpidr;
  state.el1.sctlr = kSctlrStart;
  state.el1.cntvoff = boot_ticks_;
  state.el1.vmpidr = kVmpidrRes1 | vcpu.index;
  vgic_.ResetCpu(vcpu);
  // An event recorded while the vCPU was off has set upcall_pending, after which no further one
  // raises the interrupt: so raise it now. The record is read after the reset above, so that one
  // that comes in between raises it by itself.
  const xen::VcpuInfo* info = vcpu.info.load();
  if (info != nullptr && __atomic_load_n(&info->upcall_pending, __ATOMIC_SEQ_CST) != 0) {
    Vgic::RaiseSelf(vcpu, xen::kUpcallPpi);
  }
  StartAccounting(vcpu);
}

}  // namespace pyrene::vmm
