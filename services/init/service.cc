// SPDX-License-Identifier: Apache-2.0
#include "services/init/service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/block.capnp.h"
#include "proto/connect.h"
#include "proto/pv_rings.h"
#include "runtime/guarded.h"
#include "runtime/kernel/syscall.h"
#include "services/init/layout.h"
#include "services/init/symbols.h"

namespace pyrene::init {
namespace {

constexpr uint32_t kControlRingBytes = 4096;
constexpr unsigned kBatch = 16;
constexpr uint64_t kPause = runtime::kMillisecond;

template <typename Value>
absl::Status Take(absl::StatusOr<Value> from, Value& to) {
  absl::Status status = from.status();
  if (status.ok()) to = *std::move(from);
  return status;
}

}  // namespace

Service::Service(World& world, std::string name, proto::Service::Reader spec, unsigned bit,
                 Callbacks callbacks)
    : world_(world),
      name_(std::move(name)),
      spec_(spec),
      bit_(bit),
      callbacks_(std::move(callbacks)),
      quota_pages_(spec.getQuotaPages()),
      cpu_(std::min<uint8_t>(spec.getCpu(), static_cast<uint8_t>(world.cpus - 1))),
      backoff_(spec.getBackoffMs(), spec.getBackoffMaxMs()),
      heartbeat_(spec.getHeartbeatMs()) {}

absl::Status Service::Prepare() {
  absl::Status status = Take(world_.bundle.FindProgram(spec_.getFile().cStr()), program_);
  if (status.ok()) {
    status = Take(
        world_.ram.Allocate(PrivatePages(program_, spec_), 0, absl::StrCat("memory of ", name_)),
        memory_);
  }
  if (status.ok())
    status =
        Take(world_.ram.Allocate(spec_.getLogKib() / 4, 0, absl::StrCat("log of ", name_)), log_);
  if (status.ok()) {
    status = Take(Object::Create(absl::StrCat(name_, ".events"), sys::NotificationCreate), events_);
  }
  const uint64_t schema = proto::SchemaId<proto::SupervisionRequest>();
  if (status.ok()) {
    status = Take(Link::Create(world_.ram, absl::StrCat(name_, ".init"), schema, kControlRingBytes),
                  control_memory_);
  }
  runtime::OwnedHandle wake;
  if (status.ok()) {
    const CapIndex index = runtime::Caps().Allocate();
    const Rights rights = rights::kSignal;
    status = runtime::ToStatus(
        sys::CapCopy(kNullCap, index, events(), rights, uint64_t{1} << kSupervisionBit),
        "notification");
    wake = runtime::OwnedHandle(index);
  }
  if (status.ok()) {
    absl::StatusOr<proto::Channel> channel =
        proto::OpenChannel(absl::StrCat("of ", name_), proto::Side::kServer, schema,
                           control_memory_.cap(), wake.Release());
    status = channel.status();
    if (status.ok()) control_.emplace(*std::move(channel));
  }
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(name_, ": ", status.message()));
}

absl::Status Service::Launch(absl::Span<const Grant> grants, const Grant& log_signal) {
  std::vector<Grant> all;
  const CapIndex mine = world_.loop.notification().handle();
  all.push_back({"events", events(), rights::kSignal | rights::kWait | rights::kCopy});
  all.push_back(
      {"init", control_memory_.cap(), rights::kRead | rights::kWrite, 0, kSupervisionBit});
  all.push_back({"init.peer", mine, rights::kSignal, uint64_t{1} << bit_});
  all.insert(all.end(), grants.begin(), grants.end());
  if (generation_ != 0) {
    control_memory_.StartEpoch();
    offers_.Restarted();
    // What was signalled to the former life.
    static_cast<void>(sys::NotificationWait(events(), runtime::kAllBits, kPoll));
  }
  DomainPlan plan;
  plan.name = name_;
  plan.spec = spec_;
  plan.program = &program_;
  plan.bundle = &world_.bundle;
  plan.memory = &memory_;
  plan.log = &log_;
  plan.log_signal = log_signal;
  plan.grants = all;
  plan.quota_pages = quota_pages_;
  plan.cpu = cpu_;
  plan.repair = std::exchange(repair_, false);
  plan.generation = ++generation_;
  plan.realtime_offset_ns = world_.realtime_offset_ns;
  plan.supervisor = mine;
  plan.supervisor_bits = uint64_t{1} << bit_;
  absl::StatusOr<LiveDomain> live = LiveDomain::Start(plan);
  if (!live.ok()) {
    return absl::Status(live.status().code(),
                        absl::StrCat(name_, " can not be started: ", live.status().message()));
  }
  live_.emplace(*std::move(live));
  phase_ = Phase::kStarting;
  launched_at_ = runtime::MonotonicNow();
  heartbeat_.Start(launched_at_);
  ping_waits_ = clock_waits_ = false;
  offers_told_waits_ = true;
  ended_well_ = needs_repair_ = false;
  last_words_.clear();
  control_->Update();
  return absl::OkStatus();
}

void Service::Destroy() {
  if (!live_.has_value()) return;
  const uint64_t before = CpuTicks();
  live_.reset();
  past_cpu_ticks_ = before;
  heartbeat_.Stop();
}

void Service::Retire() {
  Destroy();
  memory_.Reset();
  phase_ = Phase::kStopped;
}

uint64_t Service::CpuTicks() const {
  const sys::Account account = live_.has_value() ? sys::DomainAccount(live_->domain())
                                                 : sys::Account{Status::kGone, 0, 0, 0};
  return past_cpu_ticks_ + (account.status == Status::kOk ? account.cpu_ticks : 0);
}

uint64_t Service::Pages() const {
  const sys::Account account = live_.has_value() ? sys::DomainAccount(live_->domain())
                                                 : sys::Account{Status::kGone, 0, 0, 0};
  const uint64_t kernel = account.status == Status::kOk ? account.used_pages : 0;
  return memory_.pages() + log_.pages() + control_memory_.pages() + kernel;
}

std::optional<std::string> Service::TakeEnd() {
  const sys::Fault fault = sys::DomainFault(live_->domain());
  if (fault.status != Status::kOk || fault.kind == FaultKind::kNone) return std::nullopt;
  ended_well_ = fault.kind == FaultKind::kExit && fault.esr == 0;
  needs_repair_ = fault.kind == FaultKind::kExit && fault.esr == kExitNeedsRepair;
  if (fault.kind == FaultKind::kExit) {
    return absl::StrCat("ended with status ", fault.esr, last_words_.empty() ? "" : ": ",
                        last_words_);
  }
  return absl::StrCat("fault at ", DescribeAddress(program_.symbols, fault.pc), ": ESR 0x",
                      absl::Hex(fault.esr), ", address 0x", absl::Hex(fault.far));
}

void Service::OnWake() {
  if (!live_.has_value()) return;
  if (control_->Update() == proto::Channel::State::kUp) {
    const auto handle = [this](proto::SupervisionRequest::Reader request) {
      return Handle(request);
    };
    if (control_->Receive<proto::SupervisionRequest>(kBatch, handle)) {
      WakeLater();
    }
  }
  if (const std::optional<std::string> end = TakeEnd(); end.has_value()) {
    callbacks_.ended(*this, *end);
    return;
  }
  Pump();
}

void Service::WakeLater() {
  const runtime::Notification& loop = world_.loop.notification();
  world_.loop.AddTimer(runtime::MonotonicNow() + kPause,
                       [&loop, bit = bit_] { loop.Signal(uint64_t{1} << bit); });
}

absl::Status Service::Handle(proto::SupervisionRequest::Reader request) {
  switch (request.which()) {
    case proto::SupervisionRequest::READY:
      if (phase_ != Phase::kStarting) return absl::OkStatus();
      phase_ = Phase::kRunning;
      heartbeat_.Ready(runtime::MonotonicNow());
      callbacks_.ready(*this);
      return absl::OkStatus();
    case proto::SupervisionRequest::PONG:
      heartbeat_.Pong(request.getPong());
      return absl::OkStatus();
    case proto::SupervisionRequest::FAILED:
      last_words_ = std::string(request.getFailed().cStr()).substr(0, 200);
      return absl::OkStatus();
    case proto::SupervisionRequest::CHANNEL_TAKEN:
      offers_.Taken(request.getChannelTaken().cStr());
      callbacks_.answered(*this);
      return absl::OkStatus();
    case proto::SupervisionRequest::CHANNEL_CLOSED:
      if (offers_.Closed(request.getChannelClosed().cStr())) callbacks_.answered(*this);
      return absl::OkStatus();
    case proto::SupervisionRequest::CONNECT:
      callbacks_.connect(*this, request.getConnect());
      return absl::OkStatus();
  }
  return absl::InvalidArgumentError("unknown request");
}

bool Service::Send() { return control_->Send(builder_).ok(); }

void Service::Pump() {
  if (!live_.has_value() || control_->state() != proto::Channel::State::kUp) return;
  if (ping_waits_) {
    builder_.Start<proto::SupervisionEvent>().setPing(heartbeat_.number());
    ping_waits_ = !Send();
  }
  if (clock_waits_) {
    builder_.Start<proto::SupervisionEvent>().setClockSet();
    clock_waits_ = !Send();
  }
  offers_.Pump(*this);
  if (offers_told_waits_ && offers_.AllTold()) {
    builder_.Start<proto::SupervisionEvent>().setOffersTold();
    offers_told_waits_ = !Send();
  }
  control_->Flush();
}

void Service::RefuseConnect(const std::string& service, const std::string& reason) {
  auto refusal = builder_.Start<proto::SupervisionEvent>().initConnectRefused();
  refusal.setService(service.c_str());
  refusal.setReason(reason.substr(0, 200).c_str());
  if (Send()) control_->Flush();
}

bool Service::Beat() {
  const sys::ThreadFacts thread = sys::ThreadInfo(live_->thread());
  // It wants to run, and others keep it from the CPU: they are to blame.
  const bool starved = thread.status == Status::kOk && thread.state == ThreadState::kReady &&
                       thread.cpu_ticks == ticks_at_ping_;
  ticks_at_ping_ = thread.cpu_ticks;
  if (starved) {
    heartbeat_.Postpone(runtime::MonotonicNow());
    return true;
  }
  // A service that has not come to `ready` in its first period hangs.
  if (!heartbeat_.Next(runtime::MonotonicNow(), phase_ == Phase::kRunning)) return false;
  ping_waits_ = true;
  Pump();
  return true;
}

void Service::SetClock() {
  if (!live_.has_value()) return;
  const absl::StatusOr<runtime::Memory> page = memory_.Map(kStartInfoPage, 1);
  if (!page.ok()) return;  // out of init's quota: the service keeps its old clock
  auto* start = reinterpret_cast<StartInfo*>(page->data());
  __atomic_store_n(&start->realtime_offset_ns, world_.realtime_offset_ns, __ATOMIC_RELEASE);
  clock_waits_ = true;
  Pump();
}

bool Service::Install(CapIndex index, CapIndex source, Rights rights, uint64_t badge) {
  return sys::CapCopy(live_->domain(), index, source, rights, badge) == Status::kOk;
}

bool Service::TellOffer(const ServiceOffer& offer, CapIndex memory, CapIndex wake) {
  auto message = builder_.Start<proto::SupervisionEvent>().initChannelOffered();
  message.setName(offer.name.c_str());
  message.setPeer(offer.peer.c_str());
  message.setPeerDomid(offer.peer_domid);
  message.setSchemaId(offer.schema_id);
  message.setIsServer(offer.is_server);
  message.setMemory(memory);
  message.setWakePeer(wake);
  message.setBit(static_cast<uint8_t>(offer.bit));
  if (offer.schema_id == proto::SchemaId<proto::BlockRequest>() ||
      offer.schema_id == proto::kRamDisk)
    message.setDisk(offer.disk);
  return Send();
}

bool Service::TellRevoked(const std::string& name) {
  builder_.Start<proto::SupervisionEvent>().setChannelRevoked(name.c_str());
  return Send();
}

}  // namespace pyrene::init
