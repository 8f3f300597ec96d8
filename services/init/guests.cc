// SPDX-License-Identifier: Apache-2.0
#include "services/init/guests.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/connect.h"
#include "proto/console.capnp.h"
#include "proto/pv_rings.h"
#include "proto/xenstore.capnp.h"
#include "runtime/kernel/error.h"
#include "runtime/kernel/syscall.h"
#include "runtime/log.h"
#include "services/init/guest_check.h"
#include "services/init/layout.h"

namespace pyrene::init {
namespace {

constexpr uint64_t kMagicPages = 4;
constexpr uint64_t kFramePages = 1 + 64;  // shared_info and xl's default of grant frames
constexpr uint32_t kDataRingBytes = 8192;
constexpr uint32_t kControlRingBytes = 16384;  // a Start message takes up to 8 KiB
constexpr size_t kMaxWaiting = 8;
// Of the guest's own domain: root and second-level tables, capability table, and room to split
// blocks where the guest gives pages back; the last also for its VMM.
constexpr uint64_t kGuestQuotaPages = 24;
// Of its VMM for each vCPU: its state page, Vcpu, thread and two notifications.
constexpr uint64_t kVcpuQuotaPages = 3;
constexpr Rights kReadWrite = rights::kRead | rights::kWrite;

template <typename Value>
absl::Status Take(absl::StatusOr<Value> from, Value& to) {
  absl::Status status = from.status();
  if (status.ok()) to = *std::move(from);
  return status;
}

std::string Named(absl::string_view prefix, const Guest& guest) {
  return absl::StrCat(prefix, guest.domid);
}

}  // namespace

Guests::Guests(World& world, Supervisor& supervisor, Zeroer& zeroer,
               proto::Manifest::Reader manifest)
    : world_(world), supervisor_(supervisor), zeroer_(zeroer), manifest_(manifest) {
  // Beside its RAM; a VMM that is not there costs nothing here, and is an error when a guest is
  // made.
  const absl::StatusOr<Program> program =
      world.bundle.FindProgram(manifest.getVmm().getFile().cStr());
  const uint64_t own = program.ok() ? PrivatePages(*program, manifest.getVmm()) : 0;
  constexpr uint64_t kChannelPages =
      2 * (1 + 2 * kDataRingBytes / 4096) + (1 + 2 * kControlRingBytes / 4096) + 3;
  overhead_pages_ =
      own + manifest.getVmm().getLogKib() / 4 + kMagicPages + kFramePages + kChannelPages;
}

Guest* Guests::Find(uint16_t domid) {
  for (const auto& guest : guests_) {
    if (guest->domid == domid) return guest.get();
  }
  return nullptr;
}

const Guest* Guests::Find(uint16_t domid) const { return const_cast<Guests*>(this)->Find(domid); }

Guest* Guests::FindByVmm(const Service& vmm) {
  for (const auto& guest : guests_) {
    if (guest->vmm == &vmm) return guest.get();
  }
  return nullptr;
}

uint16_t Guests::DomidOf(const Service& vmm) const {
  for (const auto& guest : guests_) {
    if (guest->vmm == &vmm) return guest->domid;
  }
  return 0;
}

absl::Status Guests::CheckNew(proto::GuestConfig::Reader config) const {
  if (absl::Status status = CheckGuestConfig(config); !status.ok()) return status;
  if (guests_.size() >= manifest_.getMaxGuests()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", guests_.size(), " guests already, the most"));
  }
  for (const auto& guest : guests_) {
    if (guest->name == config.getName().cStr()) {
      return absl::AlreadyExistsError(
          absl::StrCat("there is a guest ", guest->name, " already, domid ", guest->domid));
    }
  }
  if (absl::Status status = CheckFile(config.getKernel()); !status.ok()) return status;
  for (const proto::Disk::Reader disk : config.getDisks()) {
    if (absl::Status status = CheckDisk(disk, supervisor_); !status.ok()) return status;
  }
  return config.getRamdisk().size() == 0 ? absl::OkStatus() : CheckFile(config.getRamdisk());
}

absl::Status Guests::Create(proto::GuestConfig::Reader config, uint32_t request) {
  if (absl::Status status = CheckNew(config); !status.ok()) return status;
  auto guest = std::make_unique<Guest>();
  guest->config = std::make_unique<capnp::MallocMessageBuilder>();
  guest->config->setRoot(config);
  guest->name = config.getName().cStr();
  guest->create_request = request;
  guest->seconds_at_start = runtime::WallClockNow() / runtime::kSecond;
  const auto free_slot = [this](unsigned slot) {
    return std::none_of(guests_.begin(), guests_.end(),
                        [slot](const auto& g) { return g->slot == slot; });
  };
  while (!free_slot(guest->slot)) ++guest->slot;
  guest->domid = domids_.Next([this](uint16_t domid) { return Find(domid) != nullptr; });
  if (absl::Status status = Allocate(*guest); !status.ok()) {
    if (guest->vmm != nullptr) supervisor_.Remove(*guest->vmm);
    RemoveVcpus(guest->placement, load_);
    return status;
  }
  Guest& made = *guest;
  guests_.push_back(std::move(guest));
  runtime::LogInfo("guest ", made.domid, " (", made.name, "): ", made.Config().getMemoryKib(),
                   " KiB in ", made.ram.size(), " pieces");
  const auto zero = [this, &made](const std::vector<Ram>& pieces) {
    ++made.zeroing;
    zeroer_.Add(&pieces, [this, &made](const absl::Status& status) {
      --made.zeroing;
      if (!status.ok() && !absl::IsCancelled(status)) made.failure = std::string(status.message());
      Wake();
    });
  };
  zero(made.ram);
  for (const auto& disk : made.disks) {
    if (!disk->ram.empty()) zero(disk->ram);
  }
  LoadFiles(made);
  return absl::OkStatus();
}

// The small pieces first: they take what is left of broken ranges, so that RAM gets large ones.
absl::Status Guests::Allocate(Guest& guest) {
  RamPool& pool = world_.ram;
  const proto::GuestConfig::Reader config = guest.Config();
  std::vector<uint64_t> allowed;
  for (const uint64_t mask : config.getCpus()) allowed.push_back(mask);
  absl::Status status =
      Take(PlaceVcpus(config.getMaxVcpus(), allowed, world_.cpus, load_), guest.placement);
  const std::string vmm = Named("vmm.", guest);
  if (status.ok()) {
    // Its quota is known when the RAM is.
    status = Take(supervisor_.Add(vmm, manifest_.getVmm()), guest.vmm);
  }
  if (status.ok())
    status =
        Take(pool.Allocate(kMagicPages, 0, Named("magic pages of guest ", guest)), guest.magic);
  if (status.ok())
    status = Take(pool.Allocate(kFramePages, 0, Named("frames of guest ", guest)), guest.frames);
  if (status.ok()) {
    status = Take(Link::Create(pool, absl::StrCat(vmm, ".console"),
                               proto::SchemaId<proto::ConsoleRequest>(), kDataRingBytes),
                  guest.console);
  }
  if (status.ok()) {
    status = Take(Link::Create(pool, absl::StrCat(vmm, ".xenstore"),
                               proto::SchemaId<proto::XenstoreRequest>(), kDataRingBytes),
                  guest.xenstore);
  }
  if (status.ok()) {
    status = Take(Link::Create(pool, absl::StrCat(vmm, ".control"),
                               proto::SchemaId<proto::VmmRequest>(), kControlRingBytes),
                  guest.control);
  }
  const auto ring = [&guest](uint64_t page) {
    return [&guest, page](CapIndex index) {
      return sys::MemoryDerive(index, guest.magic.cap(), page, 1, kReadWrite | rights::kCopy);
    };
  };
  if (status.ok())
    status =
        Take(Object::Create(Named("console ring of guest ", guest), ring(0)), guest.console_ring);
  if (status.ok())
    status =
        Take(Object::Create(Named("xenstore ring of guest ", guest), ring(1)), guest.xenstore_ring);
  if (status.ok()) status = MakeDisks(pool, guest, guests_, supervisor_);
  if (status.ok())
    status = Take(pool.AllocateGuest(config.getMemoryKib() / 4, Named("guest ", guest)), guest.ram);
  if (!status.ok()) return status;
  const uint64_t quota = QuotaForRam(guest.ram);
  guest.vmm->set_quota_pages(manifest_.getVmm().getQuotaPages() + quota +
                             config.getMaxVcpus() * kVcpuQuotaPages +
                             kMaxGuestDisks * kDiskQuotaPages + QuotaForRamDisks(guest));
  guest.vmm->set_cpu(guest.placement[0]);
  return Take(Object::Create(Named("guest ", guest),
                             [quota](CapIndex index) {
                               return sys::DomainCreate(index, kGuestQuotaPages + quota).status;
                             }),
              guest.domain);
}

std::vector<Grant> Guests::GrantsOf(const Guest& guest) const {
  const auto bit = [](unsigned number) { return uint64_t{1} << number; };
  const CapIndex console = supervisor_.Find("console")->events();
  const CapIndex xenstore = supervisor_.Find("xenstore")->events();
  std::vector<Grant> grants = {
      {"vmm", guest.control.cap(), kReadWrite, 0, kVmmControlBit},
      {"vmm.peer", world_.loop.notification().handle(), rights::kSignal, bit(guest.vmm->bit())},
      {"console", guest.console.cap(), kReadWrite, 0, kVmmConsoleBit},
      {"console.peer", console, rights::kSignal, bit(GuestChannelBit(guest.slot))},
      {"xenstore", guest.xenstore.cap(), kReadWrite, 0, kVmmXenstoreBit},
      {"xenstore.peer", xenstore, rights::kSignal, bit(GuestChannelBit(guest.slot))},
      {"pv.console.peer", console, rights::kSignal, bit(PvRingBit(guest.slot)), kVmmPvConsoleBit},
      {"pv.xenstore.peer", xenstore, rights::kSignal, bit(PvRingBit(guest.slot)),
       kVmmPvXenstoreBit},
      {"guest", guest.domain.cap(), rights::kControl},
      {"magic", guest.magic.cap(), kReadWrite},
      {"frames", guest.frames.cap(), kReadWrite},
  };
  for (size_t i = 0; i < guest.ram.size(); ++i) {
    constexpr Rights kAll = kReadWrite | rights::kExecute | rights::kCopy;
    grants.push_back({absl::StrCat("ram.", i), guest.ram[i].cap(), kAll});
  }
  AddDiskGrants(guest, supervisor_, grants);
  if (guest.files) grants.push_back({"files", guest.files.cap(), rights::kRead});
  return grants;
}

absl::Status Guests::MakeOffers(Guest& guest) {
  Service& console = *supervisor_.Find("console");
  Service& xenstore = *supervisor_.Find("xenstore");
  const std::string vmm = guest.vmm->name();
  const auto offer = [&](absl::string_view prefix, uint64_t schema, unsigned bit, CapIndex memory,
                         unsigned vmm_bit) {
    return ServiceOffer{Named(prefix, guest),
                        vmm,
                        guest.domid,
                        schema,
                        true,
                        bit,
                        memory,
                        kReadWrite,
                        guest.vmm->events(),
                        uint64_t{1} << vmm_bit};
  };
  const unsigned channel = GuestChannelBit(guest.slot);
  const unsigned ring = PvRingBit(guest.slot);
  ServiceOffer log{Named("log.vmm.", guest), vmm,          guest.domid,
                   proto::kServiceLog,       true,         kLogBit,
                   guest.vmm->log().cap(),   rights::kRead};
  const bool ok =
      console.offers().Add(std::move(log)) &&
      console.offers().Add(offer("console.", proto::SchemaId<proto::ConsoleRequest>(), channel,
                                 guest.console.cap(), kVmmConsoleBit)) &&
      console.offers().Add(offer("pv.console.", proto::kPvConsoleRing, ring,
                                 guest.console_ring.cap(), kVmmPvConsoleBit)) &&
      xenstore.offers().Add(offer("xenstore.", proto::SchemaId<proto::XenstoreRequest>(), channel,
                                  guest.xenstore.cap(), kVmmXenstoreBit)) &&
      xenstore.offers().Add(offer("pv.xenstore.", proto::kPvXenstoreRing, ring,
                                  guest.xenstore_ring.cap(), kVmmPvXenstoreBit));
  console.Pump();
  xenstore.Pump();
  for (const auto& disk : guest.disks) {
    if (!OfferDisk(guest, *disk, supervisor_))
      return absl::ResourceExhaustedError("blkback has too many disks");
  }
  return ok ? absl::OkStatus()
            : absl::ResourceExhaustedError("console or xenstore has too many channels");
}

absl::Status Guests::LaunchVmm(Guest& guest) {
  if (absl::Status status = MakeOffers(guest); !status.ok()) return status;
  if (absl::Status status = supervisor_.Launch(*guest.vmm, GrantsOf(guest)); !status.ok())
    return status;
  const CapIndex wake = runtime::Caps().Allocate();
  const Status status = sys::CapCopy(kNullCap, wake, guest.vmm->events(), rights::kSignal,
                                     uint64_t{1} << kVmmControlBit);
  if (status != Status::kOk) return runtime::ToStatus(status, "notification");
  absl::StatusOr<proto::Channel> channel =
      proto::OpenChannel(absl::StrCat("control of ", guest.vmm->name()), proto::Side::kClient,
                         proto::SchemaId<proto::VmmRequest>(), guest.control.cap(), wake);
  if (!channel.ok()) return channel.status();
  guest.channel.emplace(*std::move(channel));
  guest.channel->Update();
  return absl::OkStatus();
}

absl::Status Guests::Destroy(uint16_t domid, uint32_t request) {
  Guest* const guest = Find(domid);
  if (guest == nullptr)
    return absl::NotFoundError(absl::StrCat("there is no guest with domid ", domid));
  if (guest->destroy_requests.size() >= kMaxWaiting)
    return absl::ResourceExhaustedError("it is being destroyed");
  guest->destroy_requests.push_back(request);
  Kill(*guest, "it was destroyed");
  return absl::OkStatus();
}

void Guests::Kill(Guest& guest, const std::string& why) {
  if (guest.phase == Guest::Phase::kDying) return;
  guest.phase = Guest::Phase::kDying;
  guest.failure = why;
  zeroer_.Cancel(&guest.ram);
  for (const auto& disk : guest.disks) zeroer_.Cancel(&disk->ram);
  if (guest.load != 0) loader_->Cancel(std::exchange(guest.load, 0));
  guest.files_view = runtime::Memory();
  guest.channel.reset();
  guest.vmm->Destroy();
  guest.domain.Reset();
  RemoveVcpus(guest.placement, load_);
  guest.placement.clear();
  for (const char* name : {"console", "xenstore"}) {
    Service* const service = supervisor_.Find(name);
    service->offers().Revoke(Named(absl::StrCat(name, "."), guest));
    service->offers().Revoke(Named(absl::StrCat("pv.", name, "."), guest));
    service->offers().Revoke(Named("log.vmm.", guest));
    service->Pump();
  }
  for (const auto& disk : guest.disks) {
    RevokeDisk(guest, *disk, supervisor_);
    if (disk->request != 0)
      listener_.failed(std::exchange(disk->request, 0), absl::NotFoundError("the guest is gone"));
  }
  for (const Guest::Control& control : guest.controls) {
    listener_.failed(control.request, absl::NotFoundError("the guest is gone"));
  }
  guest.controls.clear();
  guest.state_request = 0;
  CheckRefresh();
  Wake();
}

void Guests::Wake() {
  if (step_waits_) return;
  step_waits_ = true;
  world_.loop.AddTimer(runtime::kNow, [this] {
    step_waits_ = false;
    Step();
  });
}

void Guests::Step() {
  for (const auto& guest : guests_) {
    if (guest->phase != Guest::Phase::kZeroing) continue;
    if ((guest->zeroing != 0 || guest->load != 0) && guest->failure.empty()) continue;
    if (guest->failure.empty()) {
      guest->phase = Guest::Phase::kStarting;
      const absl::Status status = LaunchVmm(*guest);
      if (status.ok()) continue;
      guest->failure = std::string(status.message());
    }
    Kill(*guest, guest->failure);
  }
  for (const auto& guest : guests_) {
    if (guest->phase != Guest::Phase::kRunning) continue;
    AnswerCreated(*guest);
    StepDisks(*guest);
  }
  for (size_t i = guests_.size(); i-- > 0;) {
    if (guests_[i]->phase != Guest::Phase::kDying || !StepDying(*guests_[i])) continue;
    const std::unique_ptr<Guest> gone = std::move(guests_[i]);
    guests_.erase(guests_.begin() + static_cast<ptrdiff_t>(i));
    // Its memory first, so that who hears of its end finds it free.
    gone->console_ring.Reset();
    gone->xenstore_ring.Reset();
    gone->magic.Reset();
    gone->files.Reset();
    gone->console = Link();
    gone->xenstore = Link();
    gone->control = Link();
    AnswerDestroyed(*gone);
  }
}

bool Guests::StepDying(Guest& guest) {
  if (guest.zeroing != 0) return false;
  guest.ram.clear();
  guest.frames.Reset();
  for (const char* name : {"console", "xenstore"}) {
    const OfferBook& offers = supervisor_.Find(name)->offers();
    if (offers.Has(Named(absl::StrCat(name, "."), guest)) ||
        offers.Has(Named(absl::StrCat("pv.", name, "."), guest)) ||
        offers.Has(Named("log.vmm.", guest))) {
      return false;
    }
  }
  for (const auto& disk : guest.disks) {
    if (DiskHeld(guest, *disk, supervisor_)) return false;
  }
  guest.disks.clear();
  if (guest.vmm != nullptr) supervisor_.Remove(*guest.vmm);
  guest.vmm = nullptr;
  return true;
}

void Guests::AnswerCreated(Guest& guest) {
  if (guest.create_request == 0) return;
  const OfferBook& offers = supervisor_.Find("console")->offers();
  if (!offers.Told(Named("console.", guest)) || !offers.Told(Named("pv.console.", guest))) {
    // Its ring is full, or it is being restarted.
    world_.loop.AddTimer(runtime::MonotonicNow() + runtime::kMillisecond, [this] { Wake(); });
    return;
  }
  runtime::LogInfo("guest ", guest.domid, " (", guest.name, ") runs");
  listener_.created(guest.create_request, guest.domid);
  guest.create_request = 0;
}

void Guests::AnswerDestroyed(const Guest& guest) {
  const sys::Account account = sys::DomainAccount(kSelfDomainCap);
  runtime::LogInfo("guest ", guest.domid, " (", guest.name, ") is gone: ", guest.failure, "; ",
                   world_.ram.free().free_pages(), " pages free, ",
                   account.quota_pages - account.used_pages, " for kernel objects");
  if (guest.create_request != 0)
    listener_.failed(guest.create_request, absl::AbortedError(guest.failure));
  for (const uint32_t request : guest.destroy_requests) listener_.done(request);
  listener_.destroyed(guest.domid);
}

void Guests::OnVmmStopped(Service& vmm, const std::string& reason) {
  Guest* const guest = FindByVmm(vmm);
  if (guest != nullptr) Kill(*guest, absl::StrCat("its VMM ended: ", reason));
}

void Guests::OnServiceRestarting(Service& service) {
  for (const auto& guest : guests_) {
    if (guest->phase == Guest::Phase::kDying) continue;
    if (service.name() == "console") guest->console.StartEpoch();
    if (service.name() == "xenstore") guest->xenstore.StartEpoch();
    bool blkback = false;
    for (const auto& disk : guest->disks) {
      if (service.name() != "blkback" || !disk->link) continue;
      blkback = true;
      disk->link.StartEpoch();
    }
    const unsigned bit = blkback                       ? kVmmDiskBit
                         : service.name() == "console" ? kVmmConsoleBit
                                                       : kVmmXenstoreBit;
    if (blkback || service.name() == "console" || service.name() == "xenstore") {
      static_cast<void>(sys::NotificationSignal(guest->vmm->events(), uint64_t{1} << bit));
    }
  }
}

void Guests::ForgetRequests() {
  for (const auto& guest : guests_) {
    guest->create_request = 0;
    guest->destroy_requests.clear();
    guest->controls.clear();
    for (const auto& disk : guest->disks) disk->request = 0;
  }
  refresh_waiters_.clear();
}

uint64_t Guests::FreePagesForGuest() const {
  const uint64_t most = world_.ram.free().LargestGuest();
  constexpr uint64_t kMibPages = 256;
  return most <= overhead_pages_ ? 0 : (most - overhead_pages_) / kMibPages * kMibPages;
}

unsigned Guests::FreeCpus() const {
  return static_cast<unsigned>(std::count(load_.begin(), load_.begin() + world_.cpus, 0u));
}

}  // namespace pyrene::init
