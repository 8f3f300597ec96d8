// SPDX-License-Identifier: Apache-2.0
#include "services/init/toolstack.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/failure.h"
#include "runtime/log.h"

namespace pyrene::init {
namespace {

constexpr unsigned kBatch = 4;
// Beyond the first no request is taken; beyond the second events are dropped: xl can list.
constexpr size_t kManyAnswers = 16;
constexpr size_t kTooManyAnswers = 96;
constexpr size_t kGuestsPerMessage = 4;
constexpr size_t kFilesPerMessage = 16;
constexpr size_t kMaxPath = 1023;
constexpr uint32_t kMaxFileData = 4096;

}  // namespace

Toolstack::Toolstack(World& world, Supervisor& supervisor, Guests& guests, Host& host, unsigned bit)
    : world_(world), supervisor_(supervisor), guests_(guests), host_(host), bit_(bit) {
  guests_.SetListener({
      .created =
          [this](uint32_t id, uint16_t domid) {
            Queue([id, domid](auto reply) {
              reply.setId(id);
              reply.setCreated(domid);
              return false;
            });
          },
      .done = [this](uint32_t id) { Done(id); },
      .failed = [this](uint32_t id, const absl::Status& status) { Fail(id, status); },
      .booted =
          [this](uint16_t domid, uint32_t boot) {
            Event([domid, boot](auto event) {
              event.setDomid(domid);
              event.setBooted(boot);
            });
          },
      .stopped =
          [this](uint16_t domid, uint32_t reason) {
            Event([domid, reason](auto event) {
              event.setDomid(domid);
              event.setStopped(reason);
            });
          },
      .destroyed =
          [this](uint16_t domid) {
            Event([domid](auto event) {
              event.setDomid(domid);
              event.setDestroyed();
            });
          },
  });
}

absl::Status Toolstack::Open() {
  absl::StatusOr<proto::Channel> channel = supervisor_.OpenOwnEnd("toolstack");
  if (!channel.ok()) return channel.status();
  channel_.emplace(*std::move(channel));
  if (absl::Status status = world_.loop.AddSourceAt(bit_, [this] { OnWake(); }); !status.ok())
    return status;
  OnWake();
  return absl::OkStatus();
}

void Toolstack::OnWake() {
  const proto::Channel::State state = channel_->Update();
  if (channel_->epoch() != epoch_) {
    epoch_ = channel_->epoch();
    answers_.clear();
    built_ = false;
    guests_.ForgetRequests();
  }
  if (state != proto::Channel::State::kUp) return;
  Send();
  if (answers_.size() < kManyAnswers) {
    const auto handle = [this](proto::ToolstackRequest::Reader request) { return Handle(request); };
    if (channel_->Receive<proto::ToolstackRequest>(kBatch, handle)) {
      world_.loop.AddTimer(runtime::MonotonicNow() + runtime::kMillisecond, [this] { OnWake(); });
    }
  }
  Send();
}

void Toolstack::Queue(Answer answer) {
  answers_.push_back(std::move(answer));
  Send();
}

void Toolstack::Send() {
  while (!answers_.empty()) {
    if (!built_) {
      auto reply = builder_.Start<proto::ToolstackReply>();
      more_ = answers_.front()(reply);
      reply.setLast(!more_);
      built_ = true;
    }
    // No room: xl signals when there is.
    if (!channel_->Send(builder_).ok()) break;
    built_ = false;
    if (!more_) answers_.pop_front();
  }
  channel_->Flush();
}

void Toolstack::Event(std::function<void(proto::GuestEvent::Builder)> fill) {
  if (answers_.size() >= kTooManyAnswers) return;
  Queue([fill = std::move(fill)](auto reply) {
    fill(reply.initGuestEvent());
    return false;
  });
}

void Toolstack::Done(uint32_t id) {
  Queue([id](auto reply) {
    reply.setId(id);
    reply.setDone();
    return false;
  });
}

void Toolstack::Fail(uint32_t id, const absl::Status& status) {
  Queue([id, status](auto reply) {
    reply.setId(id);
    proto::WriteFailure(status, reply.initFailed());
    return false;
  });
}

void Toolstack::FailUnlessOk(uint32_t id, const absl::Status& status) {
  if (!status.ok()) Fail(id, status);
}

absl::Status Toolstack::Handle(proto::ToolstackRequest::Reader request) {
  const uint32_t id = request.getId();
  switch (request.which()) {
    case proto::ToolstackRequest::CREATE_GUEST:
      FailUnlessOk(id, guests_.Create(request.getCreateGuest(), id));
      return absl::OkStatus();
    case proto::ToolstackRequest::DESTROY_GUEST:
      FailUnlessOk(id, guests_.Destroy(request.getDestroyGuest(), id));
      return absl::OkStatus();
    case proto::ToolstackRequest::LIST_GUESTS:
      guests_.Refresh([this, id] { ListGuests(id); });
      return absl::OkStatus();
    case proto::ToolstackRequest::LIST_SERVICES:
      ListServices(id, request.getListServices());
      return absl::OkStatus();
    case proto::ToolstackRequest::KILL_SERVICE:
      KillService(id, request.getKillService().cStr(), /*repair=*/false);
      return absl::OkStatus();
    case proto::ToolstackRequest::REPAIR_SERVICE:
      KillService(id, request.getRepairService().cStr(), /*repair=*/true);
      return absl::OkStatus();
    case proto::ToolstackRequest::HOST_INFO:
      DescribeHost(id);
      return absl::OkStatus();
    case proto::ToolstackRequest::POWER_OFF:
      host_.PowerOff();
    case proto::ToolstackRequest::REBOOT:
      host_.Reboot();
    case proto::ToolstackRequest::SET_CLOCK:
      host_.SetClock(request.getSetClock());
      Done(id);
      return absl::OkStatus();
    case proto::ToolstackRequest::LIST_FILES:
      ListFiles(id, std::string(request.getListFiles().cStr()).substr(0, kMaxPath));
      return absl::OkStatus();
    case proto::ToolstackRequest::READ_FILE:
      ReadFile(id, request.getReadFile());
      return absl::OkStatus();
    case proto::ToolstackRequest::GUEST_CONTROL:
      FailUnlessOk(id, guests_.Control(request.getGuestControl(), id));
      return absl::OkStatus();
    case proto::ToolstackRequest::GUEST_CONFIG:
      DescribeConfig(id, request.getGuestConfig());
      return absl::OkStatus();
  }
  return absl::InvalidArgumentError("unknown request");
}

void Toolstack::ListGuests(uint32_t id) {
  Queue([this, id, at = size_t{0}](auto reply) mutable {
    reply.setId(id);
    const size_t left = guests_.count() > at ? guests_.count() - at : 0;
    const size_t count = std::min(left, kGuestsPerMessage);
    auto list = reply.initGuests(static_cast<unsigned>(count));
    for (size_t i = 0; i < count; ++i) guests_.Describe(at + i, list[static_cast<unsigned>(i)]);
    at += count;
    return at < guests_.count();
  });
}

void Toolstack::KillService(uint32_t id, const std::string& name, bool repair) {
  if (name == "init")
    return Fail(id, absl::UnimplementedError("init can not be killed: all else hangs on it"));
  Service* const service = supervisor_.Find(name);
  if (service == nullptr)
    return Fail(id, absl::NotFoundError(absl::StrCat("there is no service ", name)));
  if (const uint16_t domid = guests_.DomidOf(*service); domid != 0 && !repair) {
    return FailUnlessOk(id, guests_.Destroy(domid, id));
  }
  if (!(repair ? supervisor_.Repair(*service) : supervisor_.Kill(*service)))
    return Fail(id, absl::FailedPreconditionError(absl::StrCat(name, " does not run")));
  Done(id);
}

void Toolstack::DescribeHost(uint32_t id) {
  Queue([this, id](auto reply) {
    reply.setId(id);
    auto host = reply.initHost();
    const BootInfo& boot = host_.boot();
    host.setMachine(host_.model().substr(0, 200).c_str());
    host.setCpus(static_cast<uint8_t>(boot.cpus));
    host.setCounterHz(boot.counter_frequency);
    host.setTotalKib(boot.ram_bytes / 1024);
    host.setFreeKib(guests_.FreePagesForGuest() * 4);
    host.setFreeCpus(static_cast<uint8_t>(guests_.FreeCpus()));
    host.setUptimeNs(runtime::MonotonicNow());
    host.setMidr(host_.Midr());
    host.setUnusedKib(guests_.UnusedPages() * 4);
    return false;
  });
}

void Toolstack::DescribeConfig(uint32_t id, uint16_t domid) {
  Queue([this, id, domid](auto reply) {
    reply.setId(id);
    const Guest* const guest = std::as_const(guests_).Find(domid);
    if (guest == nullptr) {
      proto::WriteFailure(absl::NotFoundError(absl::StrCat("there is no guest with domid ", domid)),
                          reply.initFailed());
      return false;
    }
    reply.setConfig(guest->Config());
    reply.getConfig().setName(guest->name.c_str());
    return false;
  });
}

void Toolstack::ListFiles(uint32_t id, std::string directory) {
  Queue([this, id, directory = std::move(directory), after = std::string()](auto reply) mutable {
    reply.setId(id);
    const BundleFiles& files = world_.bundle.files();
    // One more than fits tells whether there are more.
    const auto entries = files.List(directory, after, kFilesPerMessage + 1);
    if (!entries.ok()) {
      proto::WriteFailure(entries.status(), reply.initFailed());
      return false;
    }
    const size_t count = std::min(entries->size(), kFilesPerMessage);
    auto list = reply.initFiles(static_cast<unsigned>(count));
    for (unsigned i = 0; i < count; ++i) {
      const BundleFiles::Entry& entry = (*entries)[i];
      list[i].setName(entry.name.c_str());
      list[i].setBytes(entry.bytes);
      list[i].setIsDirectory(entry.is_directory);
      after = entry.name;
    }
    return entries->size() > kFilesPerMessage;
  });
}

void Toolstack::ReadFile(uint32_t id, proto::FileRead::Reader request) {
  const std::string path = std::string(request.getPath().cStr()).substr(0, kMaxPath);
  const absl::StatusOr<absl::string_view> file = world_.bundle.files().Find(path);
  if (!file.ok()) return Fail(id, file.status());
  const uint64_t offset = std::min<uint64_t>(request.getOffset(), file->size());
  const absl::string_view part =
      file->substr(offset, std::min(request.getMaxBytes(), kMaxFileData));
  Queue([id, offset, part, size = file->size()](auto reply) {
    reply.setId(id);
    auto data = reply.initFileData();
    data.setOffset(offset);
    data.setData(kj::arrayPtr(reinterpret_cast<const kj::byte*>(part.data()), part.size()));
    data.setFileBytes(size);
    return false;
  });
}

}  // namespace pyrene::init
