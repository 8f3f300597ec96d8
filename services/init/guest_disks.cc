// SPDX-License-Identifier: Apache-2.0
#include "services/init/guest_disks.h"

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

std::string ChannelName(const Guest& guest, size_t disk) {
  return absl::StrCat("disk.", guest.domid, ".", disk);
}

std::string RamName(const Guest& guest, size_t disk, size_t piece) {
  return absl::StrCat("ram.", guest.domid, ".", disk, ".", piece);
}

std::string MapName(const Guest& guest, size_t disk) {
  return absl::StrCat("map.", guest.domid, ".", disk);
}

template <typename Function>
void ForEachName(const Guest& guest, Function function) {
  for (size_t disk = 0; disk < guest.disks.size(); ++disk) {
    function(ChannelName(guest, disk));
    for (size_t piece = 0; piece < guest.disks[disk].ram.size(); ++piece)
      function(RamName(guest, disk, piece));
    if (guest.disks[disk].map_memory) function(MapName(guest, disk));
  }
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

bool IsPart(const GuestDisk& disk, proto::Disk::Reader config) {
  return !config.isRam() && disk.map.extents.empty();
}

// Whether the guest's disk `index` can have what its map says.
absl::Status CheckFree(const Guest& guest, size_t index,
                       absl::Span<const std::unique_ptr<Guest>> guests) {
  const block::DiskMap& map = guest.disks[index].map;
  const proto::Disk::Reader config = guest.Config().getDisks()[static_cast<unsigned>(index)];
  const auto check = [&](const Guest& other) {
    const auto configs = other.Config().getDisks();
    for (size_t i = 0; i < other.disks.size(); ++i) {
      const bool shared = config.getReadOnly() && configs[static_cast<unsigned>(i)].getReadOnly();
      const block::DiskMap& its = other.disks[i].map;
      if (shared || (&other == &guest && i == index) || its.device != map.device) continue;
      if (!block::Overlap(map.extents, its.extents)) continue;
      return absl::FailedPreconditionError(
          absl::StrCat(config.getTarget().cStr(), " is in use by ",
                       &other == &guest ? "another disk of the guest's" : "guest ",
                       &other == &guest ? "" : other.name));
    }
    return absl::OkStatus();
  };
  absl::Status status = check(guest);
  for (const auto& other : guests) {
    if (status.ok() && other.get() != &guest) status = check(*other);
  }
  return status;
}

}  // namespace

absl::Status CheckDisks(proto::GuestConfig::Reader config, Supervisor& supervisor) {
  if (config.getDisks().size() == 0) return absl::OkStatus();
  const Service* const blkback = supervisor.Find("blkback");
  if (blkback == nullptr) return absl::UnimplementedError("this machine has no blkback");
  for (const proto::Disk::Reader disk : config.getDisks()) {
    if (disk.isRam()) continue;
    if (supervisor.Find("fs") == nullptr &&
        (disk.isFile() || DeviceChannel(*blkback, disk).empty()))
      return absl::UnimplementedError("this machine has no fs");
    if (absl::Status status = CheckDriver(*blkback, disk, supervisor); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AllocateDisks(RamPool& pool, Guest& guest,
                           absl::Span<const std::unique_ptr<Guest>> guests,
                           Supervisor& supervisor) {
  const auto disks = guest.Config().getDisks();
  for (unsigned i = 0; i < disks.size(); ++i) {
    GuestDisk disk;
    absl::StatusOr<Link> link =
        Link::Create(pool, ChannelName(guest, i), proto::SchemaId<proto::BlockRequest>(),
                     block::kRingBytes, block::kPoolBytes / 1024);
    if (!link.ok()) return link.status();
    disk.link = *std::move(link);
    if (disks[i].isRam()) {
      absl::StatusOr<std::vector<Ram>> ram = pool.AllocateGuest(
          disks[i].getRam() / kPage, absl::StrCat("disk ", i, " of guest ", guest.domid));
      if (!ram.ok()) return ram.status();
      disk.ram = *std::move(ram);
    } else if (!DeviceChannel(*supervisor.Find("blkback"), disks[i]).empty()) {
      disk.map = {disks[i].getTarget().cStr(), 0, {{0, ~uint64_t{0}}}};
    }
    guest.disks.push_back(std::move(disk));
    if (absl::Status status = CheckFree(guest, i, guests); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::vector<FileLoader::DiskName> DisksToMap(const Guest& guest) {
  std::vector<FileLoader::DiskName> names;
  const auto disks = guest.Config().getDisks();
  for (unsigned i = 0; i < disks.size(); ++i) {
    if (!IsPart(guest.disks[i], disks[i])) continue;
    names.push_back({disks[i].isFile(),
                     (disks[i].isFile() ? disks[i].getFile() : disks[i].getTarget()).cStr()});
  }
  return names;
}

absl::Status TakeMaps(RamPool& pool, std::vector<block::DiskMap> maps, Guest& guest,
                      absl::Span<const std::unique_ptr<Guest>> guests) {
  const auto disks = guest.Config().getDisks();
  size_t next = 0;
  for (unsigned i = 0; i < disks.size() && next < maps.size(); ++i) {
    GuestDisk& disk = guest.disks[i];
    if (!IsPart(disk, disks[i])) continue;
    disk.map = std::move(maps[next++]);
    if (absl::Status status = CheckFree(guest, i, guests); !status.ok()) return status;
    const uint64_t pages = (block::DiskMapBytes(disk.map) + kPage - 1) / kPage;
    absl::StatusOr<Ram> memory = pool.Allocate(pages, 0, MapName(guest, i));
    if (!memory.ok()) return memory.status();
    disk.map_memory = *std::move(memory);
    const absl::StatusOr<runtime::Memory> view = disk.map_memory.Map();
    if (!view.ok()) return view.status();
    absl::Status status = block::WriteDiskMap(disk.map, {view->data(), view->size()});
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void AddDiskGrants(const Guest& guest, const Service& blkback, std::vector<Grant>& grants) {
  for (size_t i = 0; i < guest.disks.size(); ++i) {
    const std::string name = absl::StrCat("disk.", i);
    grants.push_back({name, guest.disks[i].link.cap(), kReadWrite, 0, kVmmDiskBit});
    grants.push_back({absl::StrCat(name, ".peer"), blkback.events(), rights::kSignal,
                      uint64_t{1} << GuestChannelBit(guest.slot)});
  }
}

bool OfferDisks(const Guest& guest, Service& blkback) {
  const auto disks = guest.Config().getDisks();
  bool ok = true;
  for (unsigned i = 0; i < disks.size(); ++i) {
    ServiceOffer offer;
    offer.peer = guest.vmm->name();
    offer.peer_domid = guest.domid;
    offer.is_server = true;
    offer.memory_rights = kReadWrite;
    const std::vector<Ram>& ram = guest.disks[i].ram;
    for (size_t piece = 0; piece < ram.size(); ++piece) {
      offer.name = RamName(guest, i, piece);
      offer.schema_id = proto::kRamDisk;
      offer.memory = ram[piece].cap();
      ok = ok && blkback.offers().Add(offer);
    }
    if (guest.disks[i].map_memory) {
      offer.name = MapName(guest, i);
      offer.schema_id = proto::SchemaId<proto::DiskMap>();
      offer.memory = guest.disks[i].map_memory.cap();
      offer.memory_rights = rights::kRead;
      ok = ok && blkback.offers().Add(offer);
      offer.memory_rights = kReadWrite;
    }
    offer.name = ChannelName(guest, i);
    offer.schema_id = proto::SchemaId<proto::BlockRequest>();
    offer.bit = GuestChannelBit(guest.slot);
    offer.memory = guest.disks[i].link.cap();
    offer.wake = guest.vmm->events();
    offer.wake_bits = uint64_t{1} << kVmmDiskBit;
    offer.disk = disks[i];
    ok = ok && blkback.offers().Add(std::move(offer));
  }
  blkback.Pump();
  return ok;
}

void RevokeDisks(const Guest& guest, Service& blkback) {
  ForEachName(guest, [&](const std::string& name) { blkback.offers().Revoke(name); });
  blkback.Pump();
}

bool DisksHeld(const Guest& guest, Service& blkback) {
  bool held = false;
  ForEachName(guest, [&](const std::string& name) { held |= blkback.offers().Has(name); });
  return held;
}

}  // namespace pyrene::init
