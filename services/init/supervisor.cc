// SPDX-License-Identifier: Apache-2.0
#include "services/init/supervisor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/connect.h"
#include "runtime/kernel/error.h"
#include "runtime/kernel/syscall.h"
#include "runtime/log.h"
#include "services/init/halt.h"
#include "services/init/layout.h"

namespace pyrene::init {
namespace {

// Bits of init's notification: services share those from here on.
constexpr unsigned kFirstServiceBit = 8;
constexpr unsigned kServiceBits = 64 - kFirstServiceBit;

constexpr Rights kReadWrite = rights::kRead | rights::kWrite;

absl::Status Annotate(const absl::Status& status, absl::string_view name) {
  return absl::Status(status.code(), absl::StrCat(name, ": ", status.message()));
}

}  // namespace

Supervisor::Supervisor(World& world, Resources& resources, proto::Manifest::Reader manifest,
                       CapIndex init_log)
    : world_(world), resources_(resources), manifest_(manifest), init_log_(init_log) {
  for (unsigned bit = kFirstServiceBit; bit < runtime::EventLoop::kMaxSources; ++bit) {
    // A fresh loop's bits are free.
    static_cast<void>(world_.loop.AddSourceAt(bit, [this, bit] { OnBit(bit); }));
  }
}

Service::Callbacks Supervisor::MakeCallbacks() {
  return {[this](Service& service, const std::string& reason) { Ended(service, reason); },
          [this](Service& service, proto::Connect::Reader request) { Connect(service, request); },
          [this](Service&) {
            CheckConnections();
            hooks_.offers_changed();
          },
          [this](Service& service) {
            world_.loop.CancelTimer(SlotOf(service)->timer);
            ArmHeartbeat(service);
          }};
}

absl::Status Supervisor::Start() {
  if (absl::Status status = resources_.MakeMemories(manifest_); !status.ok()) return status;
  for (const auto spec : manifest_.getServices()) {
    absl::StatusOr<Service*> service = Add(spec.getName().cStr(), spec);
    if (!service.ok()) return service.status();
    SlotOf(**service)->listed = true;
    for (const auto capability : spec.getCapabilities()) {
      if (capability.isLogs()) log_reader_ = *service;
    }
  }
  if (absl::Status status = MakeChannels(); !status.ok()) return status;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (absl::Status status = LaunchListed(*slot->service); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Supervisor::MakeChannels() {
  for (const auto spec : manifest_.getChannels()) {
    absl::StatusOr<Link> link = Link::Create(world_.ram, spec.getName().cStr(), spec.getSchemaId(),
                                             spec.getRingBytes(), spec.getPoolKib());
    if (!link.ok()) return Annotate(link.status(), spec.getName().cStr());
    channels_.push_back(std::make_unique<ManifestChannel>(ManifestChannel{
        spec, *std::move(link), Find(spec.getClient().cStr()), Find(spec.getServer().cStr())}));
  }
  return absl::OkStatus();
}

absl::StatusOr<proto::Channel> Supervisor::OpenOwnEnd(absl::string_view name) {
  for (const std::unique_ptr<ManifestChannel>& channel : channels_) {
    const bool is_client = channel->client == nullptr;
    if ((!is_client && channel->server != nullptr) ||
        absl::string_view(channel->spec.getName().cStr()) != name)
      continue;
    const Service* const peer = is_client ? channel->server : channel->client;
    const unsigned bit = is_client ? channel->spec.getServerBit() : channel->spec.getClientBit();
    const CapIndex wake = runtime::Caps().Allocate();
    const Status status =
        sys::CapCopy(kNullCap, wake, peer->events(), rights::kSignal, uint64_t{1} << bit);
    if (status != Status::kOk) return runtime::ToStatus(status, name);
    return proto::OpenChannel(std::string(name),
                              is_client ? proto::Side::kClient : proto::Side::kServer,
                              channel->spec.getSchemaId(), channel->link.cap(), wake);
  }
  return absl::NotFoundError(
      absl::StrCat("the manifest has no channel ", name, " with init at an end"));
}

const Service* Supervisor::ServerOf(absl::string_view name) const {
  for (const std::unique_ptr<ManifestChannel>& channel : channels_) {
    if (absl::string_view(channel->spec.getName().cStr()) == name) return channel->server;
  }
  return nullptr;
}

unsigned Supervisor::NextBit() { return kFirstServiceBit + next_bit_++ % kServiceBits; }

absl::StatusOr<Service*> Supervisor::Add(std::string name, proto::Service::Reader spec) {
  auto slot = std::make_unique<Slot>();
  slot->service =
      std::make_unique<Service>(world_, std::move(name), spec, NextBit(), MakeCallbacks());
  if (absl::Status status = slot->service->Prepare(); !status.ok()) return status;
  slots_.push_back(std::move(slot));
  return slots_.back()->service.get();
}

Supervisor::Slot* Supervisor::SlotOf(const Service& service) {
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot->service.get() == &service) return slot.get();
  }
  return nullptr;
}

Service* Supervisor::Find(absl::string_view name) {
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot->service->name() == name) return slot->service.get();
  }
  return nullptr;
}

std::vector<Service*> Supervisor::services() {
  std::vector<Service*> all;
  for (const std::unique_ptr<Slot>& slot : slots_) all.push_back(slot->service.get());
  return all;
}

void Supervisor::OnBit(unsigned bit) {
  // None is added or removed meanwhile.
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot->service->bit() != bit) continue;
    // First what it said on other channels, then its end.
    if (!slot->listed) hooks_.woken(*slot->service);
    slot->service->OnWake();
  }
}

Grant Supervisor::LogSignal() const {
  if (log_reader_ == nullptr) return {};
  return {"log.signal", log_reader_->events(), rights::kSignal, uint64_t{1} << kLogBit};
}

void Supervisor::AddEnd(const ManifestChannel& channel, const Service& service,
                        std::vector<Grant>& grants) const {
  const bool is_client = channel.client == &service;
  if (!is_client && channel.server != &service) return;
  const unsigned client_bit = channel.spec.getClientBit();
  const unsigned server_bit = channel.spec.getServerBit();
  const Service* peer = is_client ? channel.server : channel.client;
  const CapIndex wake = peer == nullptr ? world_.loop.notification().handle() : peer->events();
  const std::string name = channel.spec.getName().cStr();
  grants.push_back({name, channel.link.cap(), kReadWrite, 0, is_client ? client_bit : server_bit});
  grants.push_back({absl::StrCat(name, ".peer"), wake, rights::kSignal,
                    uint64_t{1} << (is_client ? server_bit : client_bit)});
}

absl::StatusOr<std::vector<Grant>> Supervisor::GrantsOf(Service& service) {
  std::vector<Grant> grants;
  for (const std::unique_ptr<ManifestChannel>& channel : channels_)
    AddEnd(*channel, service, grants);
  if (absl::Status status = resources_.AddGrants(service.spec(), grants); !status.ok())
    return status;
  if (&service == log_reader_) {
    grants.push_back({"log.init", init_log_, rights::kRead, 0, kLogBit});
    for (const std::unique_ptr<Slot>& slot : slots_) {
      if (!slot->listed) continue;  // a VMM's log is offered
      const Service& writer = *slot->service;
      grants.push_back(
          {absl::StrCat("log.", writer.name()), writer.log().cap(), rights::kRead, 0, kLogBit});
    }
  }
  return grants;
}

absl::Status Supervisor::LaunchListed(Service& service) {
  absl::StatusOr<std::vector<Grant>> grants = GrantsOf(service);
  if (!grants.ok()) return Annotate(grants.status(), service.name());
  return Launch(service, *std::move(grants));
}

absl::Status Supervisor::Launch(Service& service, std::vector<Grant> grants) {
  if (!SlotOf(service)->listed) {
    if (absl::Status status = resources_.AddGrants(service.spec(), grants); !status.ok())
      return status;
  }
  absl::Status status = service.Launch(grants, LogSignal());
  if (status.ok()) ArmHeartbeat(service);
  return status;
}

void Supervisor::Relaunch(Service& service) {
  ForgetClient(service);
  hooks_.restarting(service);
  // Its channels begin a new epoch while nobody of this service runs.
  for (const std::unique_ptr<ManifestChannel>& channel : channels_) {
    if (channel->client == &service || channel->server == &service) channel->link.StartEpoch();
  }
  for (const std::unique_ptr<Connection>& connection : connections_) {
    if (connection->server == &service) connection->link.StartEpoch();
  }
  const absl::Status status = LaunchListed(service);
  if (!status.ok()) return Ended(service, std::string(status.message()));
  runtime::LogInfo(service.name(), ": generation ", service.generation());
  for (const std::unique_ptr<ManifestChannel>& channel : channels_) {
    if (channel->client != &service && channel->server != &service) continue;
    const bool is_client = channel->client == &service;
    Service* const peer = is_client ? channel->server : channel->client;
    const unsigned bit = is_client ? channel->spec.getServerBit() : channel->spec.getClientBit();
    const CapIndex wake = peer == nullptr ? world_.loop.notification().handle() : peer->events();
    static_cast<void>(sys::NotificationSignal(wake, uint64_t{1} << bit));
  }
  for (const std::unique_ptr<Connection>& connection : connections_) {
    if (connection->server != &service || connection->client == nullptr) continue;
    static_cast<void>(
        sys::NotificationSignal(connection->client->events(), uint64_t{1} << kConnectBit));
  }
  hooks_.offers_changed();
}

void Supervisor::Ended(Service& service, const std::string& reason) {
  const proto::RestartPolicy policy = service.spec().getRestart();
  if (policy == proto::RestartPolicy::ON_FAILURE && service.ended_well()) {
    runtime::LogInfo(service.name(), ": has ended, and is not started again");
    world_.loop.CancelTimer(SlotOf(service)->timer);
    return service.Retire();
  }
  runtime::LogError(service.name(), ": ", reason);
  Slot& slot = *SlotOf(service);
  service.Destroy();
  world_.loop.CancelTimer(slot.timer);
  switch (policy) {
    case proto::RestartPolicy::HALT:
      Halt(absl::StrCat(service.name(), ": ", reason));
    case proto::RestartPolicy::ON_FAILURE:
    case proto::RestartPolicy::ALWAYS: {
      if (service.needs_repair()) return service.set_phase(Service::Phase::kStopped);
      service.set_phase(Service::Phase::kWaiting);
      const uint64_t now = runtime::MonotonicNow();
      const uint64_t wait = service.backoff().After(now - service.launched_at());
      slot.timer = world_.loop.AddTimer(now + wait, [this, &service] { Relaunch(service); });
      return;
    }
    case proto::RestartPolicy::NEVER:
      service.set_phase(Service::Phase::kStopped);
      hooks_.stopped(service, reason);
      return;
  }
}

void Supervisor::ArmHeartbeat(Service& service) {
  if (service.heartbeat().due() == runtime::kNever) return;
  SlotOf(service)->timer = world_.loop.AddTimer(service.heartbeat().due(), [this, &service] {
    if (service.Beat()) return ArmHeartbeat(service);
    Ended(service, absl::StrCat("no sign of life within its heartbeat of ",
                                service.spec().getHeartbeatMs(), " ms"));
  });
}

bool Supervisor::Kill(Service& service) {
  const proto::RestartPolicy policy = service.spec().getRestart();
  const bool restarts =
      policy == proto::RestartPolicy::ALWAYS || policy == proto::RestartPolicy::ON_FAILURE;
  if (service.live() == nullptr || !restarts) return false;
  world_.loop.CancelTimer(SlotOf(service)->timer);
  service.Destroy();
  service.set_phase(Service::Phase::kWaiting);
  runtime::LogInfo(service.name(), ": killed");
  Relaunch(service);
  return true;
}

bool Supervisor::Repair(Service& service) {
  if (!SlotOf(service)->listed || service.spec().getRestart() != proto::RestartPolicy::ALWAYS)
    return false;
  service.set_repair();
  if (service.live() != nullptr) return Kill(service);
  world_.loop.CancelTimer(SlotOf(service)->timer);
  Relaunch(service);
  return true;
}

void Supervisor::Remove(Service& service) {
  world_.loop.CancelTimer(SlotOf(service)->timer);
  service.Destroy();
  ForgetClient(service);
  for (const std::unique_ptr<Connection>& connection : connections_) {
    if (connection->client == &service) connection->client = nullptr;
    if (connection->server == &service) connection->server = nullptr;
  }
  CheckConnections();
  std::erase_if(slots_, [&service](const auto& slot) { return slot->service.get() == &service; });
}

uint64_t Supervisor::OwnPages() const {
  uint64_t pages = 0;
  for (const std::unique_ptr<ManifestChannel>& channel : channels_) pages += channel->link.pages();
  for (const std::unique_ptr<Connection>& connection : connections_)
    pages += connection->link.pages();
  return pages;
}

void Supervisor::DestroyAll() {
  for (const std::unique_ptr<Slot>& slot : slots_) slot->service->Destroy();
}

}  // namespace pyrene::init
