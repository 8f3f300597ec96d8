// SPDX-License-Identifier: Apache-2.0
#include "services/init/guest_disks.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "platform/block/pool_channel.h"
#include "proto/block.capnp.h"
#include "proto/connect.h"
#include "proto/pv_rings.h"
#include "services/init/guest.h"
#include "services/init/layout.h"
#include "services/init/supervisor.h"

namespace pyrene::init {
namespace {

constexpr uint64_t kPage = 4096;
constexpr Rights kReadWrite = rights::kRead | rights::kWrite;

std::string ChannelName(const Guest& guest, size_t disk) {
  return absl::StrCat("disk.", guest.domid, ".", disk);
}

std::string RamName(const Guest& guest, size_t disk, size_t piece) {
  return absl::StrCat("ram.", guest.domid, ".", disk, ".", piece);
}

template <typename Function>
void ForEachName(const Guest& guest, Function function) {
  for (size_t disk = 0; disk < guest.disks.size(); ++disk) {
    function(ChannelName(guest, disk));
    for (size_t piece = 0; piece < guest.disks[disk].ram.size(); ++piece)
      function(RamName(guest, disk, piece));
  }
}

// The channel with the driver of a block device, as an argument of blkback's names it
// ("/dev/vda=vda"). Empty: there is no such device.
std::string DeviceChannel(const Service& blkback, absl::string_view device) {
  for (const auto argument : blkback.spec().getArguments()) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(absl::string_view(argument.cStr()), '=');
    if (parts.first == device) return std::string(parts.second);
  }
  return "";
}

absl::Status CheckDevice(const Service& blkback, absl::string_view device, Supervisor& supervisor) {
  const std::string channel = DeviceChannel(blkback, device);
  if (channel.empty())
    return absl::NotFoundError(absl::StrCat("there is no block device ", device));
  const Service* const driver = supervisor.ServerOf(channel);
  if (driver == nullptr || driver->phase() == Service::Phase::kStopped) {
    return absl::NotFoundError(
        absl::StrCat("there is no block device ", device, ": its driver found none at the start"));
  }
  return absl::OkStatus();
}

absl::Status CheckFree(proto::Disk::Reader disk, absl::Span<const std::unique_ptr<Guest>> guests) {
  for (const auto& guest : guests) {
    for (const proto::Disk::Reader other : guest->Config().getDisks()) {
      if (!other.isPhy() || other.getTarget() != disk.getTarget()) continue;
      if (disk.getReadOnly() && other.getReadOnly()) continue;
      return absl::FailedPreconditionError(
          absl::StrCat(disk.getTarget().cStr(), " is in use by guest ", guest->name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDisks(proto::GuestConfig::Reader config,
                        absl::Span<const std::unique_ptr<Guest>> guests, Supervisor& supervisor) {
  if (config.getDisks().size() == 0) return absl::OkStatus();
  const Service* const blkback = supervisor.Find("blkback");
  if (blkback == nullptr) return absl::UnimplementedError("this machine has no blkback");
  for (const proto::Disk::Reader disk : config.getDisks()) {
    if (!disk.isPhy()) continue;
    absl::Status status = CheckDevice(*blkback, disk.getTarget().cStr(), supervisor);
    if (status.ok()) status = CheckFree(disk, guests);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status AllocateDisks(RamPool& pool, Guest& guest) {
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
    }
    guest.disks.push_back(std::move(disk));
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
