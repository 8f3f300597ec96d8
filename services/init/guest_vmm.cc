// SPDX-License-Identifier: Apache-2.0
//
// Init's channel with each guest's VMM (proto/vmm.capnp).
#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/init/guest_check.h"
#include "services/init/guests.h"

namespace pyrene::init {
namespace {

constexpr unsigned kBatch = 16;
constexpr size_t kSeedBytes = 64;
constexpr size_t kMaxControls = 8;
constexpr uint64_t kRefreshLimit = 100 * runtime::kMillisecond;

absl::Status Gone() { return absl::UnavailableError("the guest's VMM is not ready"); }

}  // namespace

void Guests::OnVmmWake(Service& vmm) {
  Guest* const guest = FindByVmm(vmm);
  if (guest == nullptr || !guest->channel.has_value()) return;
  if (guest->channel->Update() != proto::Channel::State::kUp) return;
  if (guest->phase == Guest::Phase::kStarting && guest->next_request == 1) {
    if (absl::Status status = SendStart(*guest); !status.ok())
      return Kill(*guest, std::string(status.message()));
  }
  // A message may end the guest, and with it the channel: so handled when it was copied.
  const auto handle = [&](proto::VmmEvent::Reader event) { return HandleVmm(*guest, event); };
  if (guest->channel->Receive<proto::VmmEvent>(kBatch, handle)) vmm.WakeLater();
  guest->channel->Flush();
  if (guest->channel->state() == proto::Channel::State::kBroken)
    Kill(*guest, "its VMM broke the rules of its channel");
  if (!guest->failure.empty()) Kill(*guest, guest->failure);
}

absl::StatusOr<uint32_t> Guests::SendRequest(
    Guest& guest, const std::function<void(proto::VmmRequest::Builder)>& fill) {
  if (!guest.channel.has_value()) return Gone();
  auto request = builder_.Start<proto::VmmRequest>();
  const uint32_t id = guest.next_request;
  request.setId(id);
  fill(request);
  if (absl::Status status = guest.channel->Send(builder_); !status.ok()) return status;
  guest.channel->Flush();
  if (++guest.next_request == 0) guest.next_request = 1;
  return id;
}

absl::Status Guests::SendStart(Guest& guest) {
  uint8_t seed[kSeedBytes];
  if (getrandom(seed, sizeof(seed), 0) < 0) return absl::InternalError("no random numbers");
  const proto::GuestConfig::Reader config = guest.Config();
  const auto fill_range = [&](proto::FileRange::Builder range, capnp::Text::Reader path) {
    const auto loaded =
        std::find_if(guest.loaded.begin(), guest.loaded.end(),
                     [&path](const Guest::LoadedFile& file) { return file.path == path.cStr(); });
    if (loaded != guest.loaded.end()) {
      range.setOffset(loaded->range.offset);
      range.setBytes(loaded->range.bytes);
      return range.setInFiles(true);
    }
    const absl::StatusOr<absl::string_view> file = world_.bundle.files().Find(path.cStr());
    if (!file.ok()) return;  // only without a RAM disk: Create saw to the rest
    range.setOffset(world_.bundle.OffsetOf(*file));
    range.setBytes(file->size());
  };
  return SendRequest(
             guest,
             [&](proto::VmmRequest::Builder request) {
               auto start = request.initStart();
               start.setDomid(guest.domid);
               start.setConfig(config);
               start.setSeed(kj::arrayPtr(seed, sizeof(seed)));
               fill_range(start.initKernel(), config.getKernel());
               fill_range(start.initRamdisk(), config.getRamdisk());
               auto placement = start.initPlacement(static_cast<unsigned>(guest.placement.size()));
               for (unsigned i = 0; i < guest.placement.size(); ++i)
                 placement.set(i, guest.placement[i]);
               const std::vector<Given>& given = guest.vmm->live()->given();
               const auto index_of = [&given](const std::string& name) {
                 const auto found = std::find_if(given.begin(), given.end(),
                                                 [&](const Given& g) { return g.name == name; });
                 return found->index;
               };
               auto ram = start.initRam(static_cast<unsigned>(guest.ram.size()));
               for (unsigned i = 0; i < guest.ram.size(); ++i)
                 ram.set(i, index_of(absl::StrCat("ram.", i)));
               start.setGuestDomain(index_of("guest"));
             })
      .status();
}

absl::Status Guests::HandleVmm(Guest& guest, proto::VmmEvent::Reader event) {
  switch (event.which()) {
    case proto::VmmEvent::DONE:
      HandleAnswer(guest, event.getId(), absl::OkStatus());
      return absl::OkStatus();
    case proto::VmmEvent::FAILED:
      HandleAnswer(guest, event.getId(),
                   absl::AbortedError(std::string(event.getFailed().cStr()).substr(0, 200)));
      return absl::OkStatus();
    case proto::VmmEvent::STATE: {
      if (absl::Status status = CheckGuestState(event.getState()); !status.ok()) return status;
      if (event.getId() != guest.state_request) return absl::OkStatus();
      guest.state = std::make_unique<capnp::MallocMessageBuilder>();
      guest.state->setRoot(event.getState());
      guest.state_request = 0;
      CheckRefresh();
      return absl::OkStatus();
    }
    case proto::VmmEvent::BOOTED:
      guest.reboots = event.getBooted();
      listener_.booted(guest.domid, event.getBooted());
      return absl::OkStatus();
    case proto::VmmEvent::STOPPED: {
      const proto::Stopped::Reader stopped = event.getStopped();
      listener_.stopped(guest.domid, stopped.getReason());
      if (stopped.getAction() == proto::Action::DESTROY ||
          stopped.getAction() == proto::Action::COREDUMP_DESTROY) {
        guest.failure = "it stopped";  // Kill follows when the message has been handled
      } else if (stopped.getAction() == proto::Action::PRESERVE) {
        guest.shutdown = true;
        guest.shutdown_reason = stopped.getReason();
      }
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError("unknown event");
}

void Guests::HandleAnswer(Guest& guest, uint32_t id, const absl::Status& status) {
  if (guest.phase == Guest::Phase::kStarting && id == 1) {
    if (!status.ok()) {
      guest.failure = std::string(status.message());
      return;
    }
    guest.phase = Guest::Phase::kRunning;
    return AnswerCreated(guest);
  }
  const auto control = std::find_if(guest.controls.begin(), guest.controls.end(),
                                    [id](const Guest::Control& c) { return c.vmm_request == id; });
  if (control == guest.controls.end()) return;
  const Guest::Control answered = std::move(*control);
  guest.controls.erase(control);
  if (!status.ok()) return listener_.failed(answered.request, status);
  if (answered.detached != nullptr) return Detached(guest, *answered.detached, answered.request);
  if (answered.succeeded != nullptr) answered.succeeded();
  listener_.done(answered.request);
}

absl::Status Guests::Control(proto::GuestControl::Reader control, uint32_t request) {
  Guest* const guest = Find(control.getDomid());
  if (guest == nullptr)
    return absl::NotFoundError(absl::StrCat("there is no guest with domid ", control.getDomid()));
  if (guest->phase != Guest::Phase::kRunning) return Gone();
  if (guest->controls.size() >= kMaxControls)
    return absl::ResourceExhaustedError("the guest's VMM is busy");
  if (control.isAttachDisk()) return AttachDisk(*guest, control.getAttachDisk(), request);
  GuestDisk* detached = nullptr;
  if (control.isDetachDisk()) {
    for (const auto& disk : guest->disks) {
      if (disk->Config().getNumber() == control.getDetachDisk().getNumber()) detached = disk.get();
    }
    if (detached == nullptr) return absl::NotFoundError("the guest has no such disk");
    const bool busy = std::any_of(guest->controls.begin(), guest->controls.end(),
                                  [&](const auto& c) { return c.detached == detached; });
    if (busy || detached->phase != GuestDisk::Phase::kServed)
      return absl::FailedPreconditionError("the disk is being attached or detached");
  }
  const absl::StatusOr<std::function<void()>> succeeded = CheckChange(*guest, control);
  if (!succeeded.ok()) return succeeded.status();
  const absl::StatusOr<uint32_t> id = SendRequest(*guest, [&](proto::VmmRequest::Builder message) {
    switch (control.which()) {
      case proto::GuestControl::PAUSE:
        return message.setPause();
      case proto::GuestControl::UNPAUSE:
        return message.setUnpause();
      case proto::GuestControl::SHUTDOWN:
        return message.setShutdown(control.getShutdown());
      case proto::GuestControl::RENAME:
        return message.setRename(control.getRename());
      case proto::GuestControl::DETACH_DISK:
        return message.setDetachDisk(control.getDetachDisk());
      case proto::GuestControl::SET_VCPUS:
        return message.setSetVcpus(control.getSetVcpus());
      case proto::GuestControl::SET_AFFINITY: {
        const auto affinity = control.getSetAffinity();
        message.setSetAffinity(affinity);
        return message.getSetAffinity().setCpu(guest->placement[affinity.getVcpu()]);
      }
      case proto::GuestControl::SET_SCHEDULE:
        return message.setSetSchedule(control.getSetSchedule());
      case proto::GuestControl::ATTACH_DISK:
        return;  // not by a request
    }
  });
  if (!id.ok()) return id.status();
  guest->controls.push_back({*id, request, *succeeded, detached});
  return absl::OkStatus();
}

absl::StatusOr<std::function<void()>> Guests::CheckChange(Guest& guest,
                                                          proto::GuestControl::Reader control) {
  const proto::GuestConfig::Reader config = guest.Config();
  switch (control.which()) {
    case proto::GuestControl::RENAME: {
      const std::string name = control.getRename();
      if (absl::Status status = CheckGuestName(name); !status.ok()) return status;
      for (const auto& other : guests_) {
        if (other.get() != &guest && other->name == name)
          return absl::AlreadyExistsError(absl::StrCat("there is a guest ", name, " already"));
      }
      return [&guest, name] { guest.name = name; };
    }
    case proto::GuestControl::SET_VCPUS: {
      const uint8_t vcpus = control.getSetVcpus();
      if (vcpus == 0 || vcpus > config.getMaxVcpus()) {
        return absl::InvalidArgumentError(
            absl::StrCat("the guest has 1 to ", config.getMaxVcpus(), " vCPUs, not ", vcpus));
      }
      return [&guest, vcpus] { guest.config->getRoot<proto::GuestConfig>().setVcpus(vcpus); };
    }
    case proto::GuestControl::SET_AFFINITY: {
      const auto affinity = control.getSetAffinity();
      if (affinity.getVcpu() >= config.getMaxVcpus())
        return absl::InvalidArgumentError(absl::StrCat("there is no vCPU ", affinity.getVcpu()));
      absl::Status status = Place(guest.placement[affinity.getVcpu()], affinity);
      if (!status.ok()) return status;
      break;
    }
    case proto::GuestControl::SET_SCHEDULE: {
      const auto schedule = control.getSetSchedule();
      const uint16_t weight = schedule.getWeight();
      const uint32_t cap = schedule.getCapPercent();
      if (absl::Status status = CheckSchedule(weight, cap, config.getMaxVcpus()); !status.ok())
        return status;
      return [&guest, weight, cap] {
        auto changed = guest.config->getRoot<proto::GuestConfig>();
        changed.setWeight(weight);
        changed.setCapPercent(cap);
      };
    }
    default:
      break;
  }
  return nullptr;
}

absl::Status Guests::Place(uint8_t& cpu, proto::Affinity::Reader affinity) {
  // Where it runs is as good as any, if it may.
  const uint64_t preferred = affinity.getHard() & affinity.getSoft();
  const uint64_t allowed = preferred == 0 ? affinity.getHard() : preferred;
  if ((allowed >> cpu & 1) != 0) return absl::OkStatus();
  CpuLoad load = load_;
  RemoveVcpus({&cpu, 1}, load);
  for (const uint64_t mask : {allowed, affinity.getHard()}) {
    const absl::StatusOr<std::vector<uint8_t>> placed =
        PlaceVcpus(1, {&mask, 1}, world_.cpus, load);
    if (!placed.ok()) continue;
    cpu = placed->front();
    load_ = load;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("the machine has none of these CPUs");
}

void Guests::Refresh(std::function<void()> ready) {
  refresh_waiters_.push_back(std::move(ready));
  for (const auto& guest : guests_) {
    if (guest->phase != Guest::Phase::kRunning || guest->state_request != 0) continue;
    const absl::StatusOr<uint32_t> id =
        SendRequest(*guest, [](auto request) { request.setGetState(); });
    if (id.ok()) guest->state_request = *id;
  }
  if (refresh_timer_ == 0) {
    refresh_timer_ = world_.loop.AddTimer(runtime::MonotonicNow() + kRefreshLimit, [this] {
      for (const auto& guest : guests_) guest->state_request = 0;
      CheckRefresh();
    });
  }
  CheckRefresh();
}

void Guests::CheckRefresh() {
  if (refresh_timer_ == 0) return;
  for (const auto& guest : guests_) {
    if (guest->state_request != 0) return;
  }
  world_.loop.CancelTimer(refresh_timer_);
  refresh_timer_ = 0;
  const std::vector<std::function<void()>> waiters = std::move(refresh_waiters_);
  refresh_waiters_.clear();
  for (const std::function<void()>& ready : waiters) ready();
}

void Guests::Describe(size_t index, proto::GuestState::Builder state) const {
  const Guest& guest = *guests_[index];
  const proto::GuestConfig::Reader config = guest.Config();
  uint64_t memory = config.getMemoryKib();
  if (guest.state != nullptr) {
    const auto told = guest.state->getRoot<proto::GuestState>().asReader();
    state.setPaused(told.getPaused());
    state.setVcpus(told.getVcpus());
    memory = told.getMemoryKib();
  }
  state.setDomid(guest.domid);
  state.setName(guest.name.c_str());
  state.setUuid(config.getUuid());
  state.setMemoryKib(memory);
  state.setMaxMemoryKib(config.getMaxMemoryKib());
  state.setDying(guest.phase == Guest::Phase::kDying);
  state.setShutdown(guest.shutdown);
  state.setShutdownReason(guest.shutdown_reason);
  state.setStartTime(static_cast<int64_t>(guest.seconds_at_start));
  state.setReboots(guest.reboots);
}

}  // namespace pyrene::init
