// SPDX-License-Identifier: Apache-2.0
#include "services/init/guest_disks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "platform/block/pool_channel.h"
#include "proto/block.capnp.h"
#include "proto/connect.h"
#include "proto/disk_map.capnp.h"
#include "proto/pv_rings.h"
#include "services/init/guest.h"
#include "services/init/layout.h"
#include "services/init/supervisor.h"

namespace pyrene::init {
namespace {

constexpr uint64_t kPage = 4096;
constexpr Rights kReadWrite = rights::kRead | rights::kWrite;
// The manifest's name of fs's channel with its disk's driver.
constexpr char kFsDisk[] = "fs.disk";

std::string ChannelName(const Guest& guest, const GuestDisk& disk) {
  return absl::StrCat("disk.", guest.domid, ".", disk.slot);
}

std::string PieceName(const GuestDisk& disk, size_t piece) {
  return absl::StrCat("disk.", disk.slot, ".", piece);
}

std::string MapName(const Guest& guest, const GuestDisk& disk) {
  return absl::StrCat("map.", guest.domid, ".", disk.slot);
}

// Of what was offered of the disk, calls `function(offers, name)`: of blkback's, and of the VMM's.
template <typename Function>
void ForEachOffer(const Guest& guest, const GuestDisk& disk, Supervisor& supervisor,
                  Function function) {
  const bool ram = disk.Config().isRam();
  if (!ram) {
    OfferBook& blkback = supervisor.Find("blkback")->offers();
    function(blkback, ChannelName(guest, disk));
    if (disk.map_memory) function(blkback, MapName(guest, disk));
  }
  if (!disk.attached || guest.phase == Guest::Phase::kDying) return;
  OfferBook& vmm = guest.vmm->offers();
  if (!ram) function(vmm, VmmDiskName(disk));
  for (size_t piece = 0; piece < disk.ram.size(); ++piece) function(vmm, PieceName(disk, piece));
}

// The channel with the driver of the block device that a disk has as a whole, as an argument of
// blkback's names it ("/dev/vda=vda"). Empty: it has none.
std::string DeviceChannel(const Service& blkback, proto::Disk::Reader disk) {
  if (!disk.isPhy()) return "";
  for (const auto argument : blkback.spec().getArguments()) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(absl::string_view(argument.cStr()), '=');
    if (parts.first == disk.getTarget().cStr()) return std::string(parts.second);
  }
  return "";
}

// The driver that a disk needs is that of its device; of a part of one, fs's.
absl::Status CheckDriver(const Service& blkback, proto::Disk::Reader disk, Supervisor& supervisor) {
  const std::string channel = DeviceChannel(blkback, disk);
  const Service* const driver = supervisor.ServerOf(channel.empty() ? kFsDisk : channel);
  if (driver != nullptr && driver->phase() != Service::Phase::kStopped) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat(disk.isFile() ? "there is no disk for " : "there is no block device ",
                   disk.getTarget().cStr(), ": the driver found none at the start"));
}

// Whether `disk` can have what its map says.
absl::Status CheckFree(const Guest& guest, const GuestDisk& disk,
                       absl::Span<const std::unique_ptr<Guest>> guests) {
  const auto check = [&](const Guest& user) {
    for (const auto& other : user.disks) {
      if (other.get() == &disk || other->map.device != disk.map.device) continue;
      if (disk.Config().getReadOnly() && other->Config().getReadOnly()) continue;
      if (!block::Overlap(disk.map.extents, other->map.extents)) continue;
      return absl::FailedPreconditionError(
          absl::StrCat(disk.Config().getTarget().cStr(), " is in use by guest ", user.name));
    }
    return absl::OkStatus();
  };
  absl::Status status = check(guest);
  for (const auto& user : guests) {
    if (status.ok() && user.get() != &guest) status = check(*user);
  }
  return status;
}

unsigned FreeSlot(const Guest& guest) {
  unsigned slot = 0;
  while (std::any_of(guest.disks.begin(), guest.disks.end(),
                     [slot](const auto& disk) { return disk->slot == slot; }))
    ++slot;
  return slot;
}

}  // namespace

absl::Status CheckDisk(proto::Disk::Reader disk, Supervisor& supervisor) {
  if (disk.isRam()) return absl::OkStatus();
  const Service* const blkback = supervisor.Find("blkback");
  if (blkback == nullptr) return absl::UnimplementedError("this machine has no blkback");
  if (supervisor.Find("fs") == nullptr && DeviceChannel(*blkback, disk).empty())
    return absl::UnimplementedError("this machine has no fs");
  return CheckDriver(*blkback, disk, supervisor);
}

absl::StatusOr<std::unique_ptr<GuestDisk>> MakeDisk(RamPool& pool, const Guest& guest,
                                                    proto::Disk::Reader config,
                                                    absl::Span<const std::unique_ptr<Guest>> guests,
                                                    Supervisor& supervisor) {
  auto disk = std::make_unique<GuestDisk>();
  disk->slot = FreeSlot(guest);
  disk->config = std::make_unique<capnp::MallocMessageBuilder>();
  disk->config->setRoot(config);
  if (config.isRam()) {
    absl::StatusOr<std::vector<Ram>> ram = pool.AllocateGuest(
        config.getRam() / kPage, absl::StrCat("disk ", disk->slot, " of guest ", guest.domid));
    if (!ram.ok()) return ram.status();
    disk->ram = *std::move(ram);
    return disk;
  }
  absl::StatusOr<Link> link =
      Link::Create(pool, ChannelName(guest, *disk), proto::SchemaId<proto::BlockRequest>(),
                   block::kRingBytes, block::kPoolBytes / 1024);
  if (!link.ok()) return link.status();
  disk->link = *std::move(link);
  if (!DeviceChannel(*supervisor.Find("blkback"), config).empty())
    disk->map = {config.getTarget().cStr(), 0, {{0, ~uint64_t{0}}}};
  if (absl::Status status = CheckFree(guest, *disk, guests); !status.ok()) return status;
  return disk;
}

absl::Status MakeDisks(RamPool& pool, Guest& guest, absl::Span<const std::unique_ptr<Guest>> guests,
                       Supervisor& supervisor) {
  for (const proto::Disk::Reader config : guest.Config().getDisks()) {
    absl::StatusOr<std::unique_ptr<GuestDisk>> disk =
        MakeDisk(pool, guest, config, guests, supervisor);
    if (!disk.ok()) return disk.status();
    guest.disks.push_back(*std::move(disk));
  }
  return absl::OkStatus();
}

bool IsUnmapped(const GuestDisk& disk) {
  return !disk.Config().isRam() && disk.map.extents.empty();
}

FileLoader::DiskName NameToMap(const GuestDisk& disk) {
  const proto::Disk::Reader config = disk.Config();
  return {config.isFile(), (config.isFile() ? config.getFile() : config.getTarget()).cStr()};
}

absl::Status TakeMap(RamPool& pool, block::DiskMap map, GuestDisk& disk, const Guest& guest,
                     absl::Span<const std::unique_ptr<Guest>> guests) {
  disk.map = std::move(map);
  if (absl::Status status = CheckFree(guest, disk, guests); !status.ok()) return status;
  const uint64_t pages = (block::DiskMapBytes(disk.map) + kPage - 1) / kPage;
  absl::StatusOr<Ram> memory = pool.Allocate(pages, 0, MapName(guest, disk));
  if (!memory.ok()) return memory.status();
  disk.map_memory = *std::move(memory);
  const absl::StatusOr<runtime::Memory> view = disk.map_memory.Map();
  if (!view.ok()) return view.status();
  return block::WriteDiskMap(disk.map, {view->data(), view->size()});
}

uint64_t QuotaForRamDisks(const Guest& guest) {
  uint64_t pages = 0;
  for (const auto& disk : guest.disks) {
    for (const Ram& piece : disk->ram) pages += QuotaForRam({&piece, 1});
  }
  return pages;
}

void AddDiskGrants(const Guest& guest, Supervisor& supervisor, std::vector<Grant>& grants) {
  for (const auto& disk : guest.disks) {
    for (size_t piece = 0; piece < disk->ram.size(); ++piece)
      grants.push_back({PieceName(*disk, piece), disk->ram[piece].cap(), kReadWrite});
    if (disk->Config().isRam()) continue;
    const std::string name = VmmDiskName(*disk);
    grants.push_back({name, disk->link.cap(), kReadWrite, 0, kVmmDiskBit});
    grants.push_back({absl::StrCat(name, ".peer"), supervisor.Find("blkback")->events(),
                      rights::kSignal, uint64_t{1} << GuestChannelBit(guest.slot)});
  }
}

bool OfferToVmm(const Guest& guest, const GuestDisk& disk, Supervisor& supervisor) {
  ServiceOffer offer;
  offer.memory_rights = kReadWrite;
  offer.disk = disk.Config();
  bool ok = true;
  if (disk.Config().isRam()) {
    offer.peer = "init";
    offer.schema_id = proto::kRamDisk;
    for (size_t piece = 0; piece < disk.ram.size(); ++piece) {
      offer.name = PieceName(disk, piece);
      offer.memory = disk.ram[piece].cap();
      ok = ok && guest.vmm->offers().Add(offer);
    }
  } else {
    const Service& blkback = *supervisor.Find("blkback");
    offer.name = VmmDiskName(disk);
    offer.peer = blkback.name();
    offer.schema_id = proto::SchemaId<proto::BlockRequest>();
    offer.bit = kVmmDiskBit;
    offer.memory = disk.link.cap();
    offer.wake = blkback.events();
    offer.wake_bits = uint64_t{1} << GuestChannelBit(guest.slot);
    ok = guest.vmm->offers().Add(std::move(offer));
  }
  guest.vmm->Pump();
  return ok;
}

bool OfferDisk(const Guest& guest, const GuestDisk& disk, Supervisor& supervisor) {
  if (disk.Config().isRam()) return true;
  Service& blkback = *supervisor.Find("blkback");
  ServiceOffer offer;
  offer.peer = guest.vmm->name();
  offer.peer_domid = guest.domid;
  offer.is_server = true;
  bool ok = true;
  if (disk.map_memory) {
    offer.name = MapName(guest, disk);
    offer.schema_id = proto::SchemaId<proto::DiskMap>();
    offer.memory = disk.map_memory.cap();
    offer.memory_rights = rights::kRead;
    ok = blkback.offers().Add(offer);
  }
  offer.name = ChannelName(guest, disk);
  offer.schema_id = proto::SchemaId<proto::BlockRequest>();
  offer.bit = GuestChannelBit(guest.slot);
  offer.memory = disk.link.cap();
  offer.memory_rights = kReadWrite;
  offer.wake = guest.vmm->events();
  offer.wake_bits = uint64_t{1} << kVmmDiskBit;
  offer.disk = disk.Config();
  ok = ok && blkback.offers().Add(std::move(offer));
  blkback.Pump();
  return ok;
}

void RevokeDisk(const Guest& guest, const GuestDisk& disk, Supervisor& supervisor) {
  ForEachOffer(guest, disk, supervisor,
               [](OfferBook& offers, const std::string& name) { offers.Revoke(name); });
  if (!disk.Config().isRam()) supervisor.Find("blkback")->Pump();
  if (disk.attached && guest.phase != Guest::Phase::kDying) guest.vmm->Pump();
}

bool DiskHeld(const Guest& guest, const GuestDisk& disk, Supervisor& supervisor) {
  bool held = false;
  ForEachOffer(guest, disk, supervisor, [&held](const OfferBook& offers, const std::string& name) {
    held |= offers.Has(name);
  });
  return held;
}

std::string VmmDiskName(const GuestDisk& disk) {
  return disk.Config().isRam() ? PieceName(disk, disk.ram.size() - 1)
                               : absl::StrCat("disk.", disk.slot);
}

}  // namespace pyrene::init
