// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/toolstack.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/failure.h"
#include "runtime/log.h"
#include "services/xl/disk_message.h"

namespace pyrene::xl {
namespace {

using proto::ToolstackReply;

constexpr uint32_t kPartBytes = 4096;
// To copy a kernel, and to zero gigabytes.
constexpr uint64_t kGuestTime = 120 * runtime::kSecond;
constexpr size_t kMaxEntries = 4096;  // of any list: more is init's mistake

absl::Status Unexpected() { return absl::InternalError("init gave an answer of another kind"); }

absl::Status ExpectDone(ToolstackReply::Reader reply) {
  return reply.isDone() ? absl::OkStatus() : Unexpected();
}

GuestEvent ReadEvent(proto::GuestEvent::Reader message) {
  GuestEvent event;
  event.domid = message.getDomid();
  switch (message.which()) {
    case proto::GuestEvent::BOOTED:
      event.kind = GuestEvent::Kind::kBooted;
      break;
    case proto::GuestEvent::STOPPED:
      event.kind = GuestEvent::Kind::kStopped;
      event.reason = message.getStopped();
      break;
    case proto::GuestEvent::DESTROYED:
      event.kind = GuestEvent::Kind::kDestroyed;
      break;
  }
  return event;
}

}  // namespace

Toolstack::Toolstack(Waiter& waiter, proto::Channel channel, unsigned bit)
    : link_(waiter, std::move(channel), bit, "init",
            {[this](ToolstackReply::Reader reply) { OnReply(reply); }, nullptr,
             [this] {
               while (!to_undo_.empty()) {
                 const uint16_t domid = to_undo_.back();
                 const absl::Status sent = link_.TrySend([&](auto request) {
                   request.setId(next_id_);
                   request.setDestroyGuest(domid);
                 });
                 if (!sent.ok()) return;
                 ++next_id_;
                 to_undo_.pop_back();
               }
             }}) {}

void Toolstack::OnReply(ToolstackReply::Reader reply) {
  if (reply.isGuestEvent()) {
    if (listener_) listener_(ReadEvent(reply.getGuestEvent()));
    return;
  }
  const uint32_t id = reply.getId();
  if (const auto given_up = std::find(given_up_.begin(), given_up_.end(), id);
      given_up != given_up_.end()) {
    given_up_.erase(given_up);
    if (reply.isCreated()) to_undo_.push_back(reply.getCreated());
    return;
  }
  if (id == 0 || id != awaited_ || result_.has_value()) return;  // of a call that was given up
  absl::Status status = reply.isFailed() ? proto::ToStatus(reply.getFailed()) : (*take_)(reply);
  if (!status.ok() || reply.getLast()) result_ = std::move(status);
}

absl::Status Toolstack::Call(const Link::Fill& fill, const Take& take, uint64_t time) {
  awaited_ = next_id_++;
  take_ = &take;
  result_.reset();
  absl::Status status = link_.Exchange(
      [&](proto::ToolstackRequest::Builder request) {
        request.setId(awaited_);
        fill(request);
      },
      [this] { return result_.has_value(); }, time);
  awaited_ = 0;
  take_ = nullptr;
  return status.ok() ? *result_ : status;
}

absl::StatusOr<uint16_t> Toolstack::Create(const GuestConfig& config, const std::string& source,
                                           bool paused) {
  uint16_t domid = 0;
  const uint32_t id = next_id_;
  const absl::Status status = Call(
      [&](auto request) { WriteGuestConfig(config, source, paused, request.initCreateGuest()); },
      [&](ToolstackReply::Reader reply) {
        if (!reply.isCreated()) return Unexpected();
        domid = reply.getCreated();
        return absl::OkStatus();
      },
      kGuestTime);
  if (status.ok()) return domid;
  if (absl::IsCancelled(status) || absl::IsDeadlineExceeded(status)) given_up_.push_back(id);
  return status;
}

absl::Status Toolstack::Destroy(uint16_t domid) {
  return Call([domid](auto request) { request.setDestroyGuest(domid); }, ExpectDone, kGuestTime);
}

absl::Status Toolstack::Control(uint16_t domid,
                                const std::function<void(proto::GuestControl::Builder)>& fill,
                                uint64_t time) {
  return Call(
      [&](auto request) {
        proto::GuestControl::Builder control = request.initGuestControl();
        control.setDomid(domid);
        fill(control);
      },
      ExpectDone, time);
}

absl::Status Toolstack::Pause(uint16_t domid) {
  return Control(domid, [](auto control) { control.setPause(); });
}

absl::Status Toolstack::Unpause(uint16_t domid) {
  return Control(domid, [](auto control) { control.setUnpause(); });
}

absl::Status Toolstack::AttachDisk(uint16_t domid, const DiskSpec& disk) {
  return Control(
      domid, [&disk](auto control) { WriteDisk(disk, control.initAttachDisk()); }, kGuestTime);
}

absl::Status Toolstack::DetachDisk(uint16_t domid, uint32_t vdev_number, bool force) {
  return Control(
      domid,
      [vdev_number, force](auto control) {
        auto detach = control.initDetachDisk();
        detach.setNumber(vdev_number);
        detach.setForce(force);
      },
      kGuestTime);
}

absl::Status Toolstack::Rename(uint16_t domid, const std::string& name) {
  return Control(domid, [&name](auto control) { control.setRename(name.c_str()); });
}

absl::Status Toolstack::SetVcpus(uint16_t domid, uint8_t vcpus) {
  return Control(domid, [vcpus](auto control) { control.setSetVcpus(vcpus); });
}

absl::Status Toolstack::SetAffinity(uint16_t domid, uint8_t vcpu, CpuMask hard, CpuMask soft) {
  return Control(domid, [=](auto control) {
    auto affinity = control.initSetAffinity();
    affinity.setVcpu(vcpu);
    affinity.setHard(hard);
    affinity.setSoft(soft);
  });
}

absl::Status Toolstack::SetSchedule(uint16_t domid, uint16_t weight, uint32_t cap_percent) {
  return Control(domid, [=](auto control) {
    auto schedule = control.initSetSchedule();
    schedule.setWeight(weight);
    schedule.setCapPercent(cap_percent);
  });
}

absl::StatusOr<std::vector<Guest>> Toolstack::Guests() {
  std::vector<Guest> guests;
  absl::Status status = Call([](auto request) { request.setListGuests(); },
                             [&guests](ToolstackReply::Reader reply) {
                               if (!reply.isGuests() || guests.size() > kMaxEntries)
                                 return Unexpected();
                               for (const auto guest : reply.getGuests())
                                 guests.push_back(ReadGuest(guest));
                               return absl::OkStatus();
                             });
  if (!status.ok()) return status;
  std::sort(guests.begin(), guests.end(),
            [](const Guest& a, const Guest& b) { return a.info.domid < b.info.domid; });
  return guests;
}

absl::StatusOr<GuestConfig> Toolstack::Config(uint16_t domid) {
  GuestConfig config;
  absl::Status status = Call([domid](auto request) { request.setGuestConfig(domid); },
                             [&config](ToolstackReply::Reader reply) {
                               if (!reply.isConfig()) return Unexpected();
                               config = ReadGuestConfig(reply.getConfig());
                               return absl::OkStatus();
                             });
  if (!status.ok()) return status;
  return config;
}

absl::StatusOr<std::vector<ServiceInfo>> Toolstack::Services(bool capabilities) {
  std::vector<ServiceInfo> services;
  absl::Status status = Call(
      [capabilities](auto request) { request.initListServices().setCapabilities(capabilities); },
      [&services](ToolstackReply::Reader reply) {
        if (!reply.isServices() || services.size() > kMaxEntries) return Unexpected();
        for (const auto service : reply.getServices()) services.push_back(ReadService(service));
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return services;
}

absl::Status Toolstack::Kill(const std::string& service) {
  return Call([&service](auto request) { request.setKillService(service.c_str()); }, ExpectDone);
}

absl::Status Toolstack::Repair(const std::string& service) {
  return Call([&service](auto request) { request.setRepairService(service.c_str()); }, ExpectDone);
}

absl::StatusOr<Machine> Toolstack::Host() {
  Machine machine;
  absl::Status status =
      Call([](auto request) { request.setHostInfo(); },
           [&machine](ToolstackReply::Reader reply) {
             if (!reply.isHost()) return Unexpected();
             const proto::HostState::Reader host = reply.getHost();
             machine = {host.getMachine().cStr(), host.getCpus(),     host.getCounterHz(),
                        host.getTotalKib(),       host.getFreeKib(),  host.getFreeCpus(),
                        host.getMidr(),           host.getUnusedKib()};
             return absl::OkStatus();
           });
  if (!status.ok()) return status;
  return machine;
}

absl::Status Toolstack::PowerOff() {
  return Call([](auto request) { request.setPowerOff(); }, ExpectDone);
}

absl::Status Toolstack::Reboot() {
  return Call([](auto request) { request.setReboot(); }, ExpectDone);
}

absl::Status Toolstack::SetClock(int64_t nanoseconds) {
  return Call([nanoseconds](auto request) { request.setSetClock(nanoseconds); }, ExpectDone);
}

absl::StatusOr<std::vector<FileEntry>> Toolstack::Files(const std::string& directory) {
  std::vector<FileEntry> files;
  absl::Status status =
      Call([&directory](auto request) { request.setListFiles(directory.c_str()); },
           [&files](ToolstackReply::Reader reply) {
             if (!reply.isFiles() || files.size() > kMaxEntries) return Unexpected();
             for (const proto::FileEntry::Reader file : reply.getFiles())
               files.push_back({file.getName().cStr(), file.getBytes(), file.getIsDirectory()});
             return absl::OkStatus();
           });
  if (!status.ok()) return status;
  return files;
}

absl::StatusOr<Toolstack::FilePart> Toolstack::ReadPart(const std::string& path, uint64_t offset) {
  FilePart part;
  absl::Status status = Call(
      [&](auto request) {
        proto::FileRead::Builder read = request.initReadFile();
        read.setPath(path.c_str());
        read.setOffset(offset);
        read.setMaxBytes(kPartBytes);
      },
      [&part](ToolstackReply::Reader reply) {
        if (!reply.isFileData()) return Unexpected();
        const auto data = reply.getFileData().getData().asChars();
        part = {std::string(data.begin(), data.size()), reply.getFileData().getFileBytes()};
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return part;
}

}  // namespace pyrene::xl
