// SPDX-License-Identifier: Apache-2.0
//
// Disks of running guests: attached and detached.
//
// Attached: the disk is made as at a guest's creation; when its memory is zeroed and fs has told
// its place, blkback and the VMM are offered their ends. The VMM takes its end when the guest can
// see the disk. Detached: the VMM first sees to it that the guest has let go; then both ends go,
// and the memory.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/init/guest_check.h"
#include "services/init/guests.h"

namespace pyrene::init {

absl::Status Guests::AttachDisk(Guest& guest, proto::Disk::Reader config, uint32_t request) {
  absl::Status status = CheckDiskConfig(config);
  if (status.ok()) status = CheckDisk(config, supervisor_);
  if (!status.ok()) return status;
  for (const auto& disk : guest.disks) {
    if (disk->Config().getNumber() == config.getNumber())
      return absl::AlreadyExistsError(
          absl::StrCat("the guest has a disk ", config.getVdev().cStr(), " already"));
  }
  if (guest.disks.size() >= kMaxGuestDisks)
    return absl::ResourceExhaustedError(
        absl::StrCat("a guest has at most ", kMaxGuestDisks, " disks"));
  if (guest.load != 0) return absl::FailedPreconditionError("another disk is being attached");
  absl::StatusOr<std::unique_ptr<GuestDisk>> made =
      MakeDisk(world_.ram, guest, config, guests_, supervisor_);
  if (!made.ok()) return made.status();
  GuestDisk* const disk = made->get();
  disk->phase = GuestDisk::Phase::kPreparing;
  disk->attached = true;
  disk->request = request;
  guest.disks.push_back(*std::move(made));
  const auto ready = [this, disk](const absl::Status& result) {
    --disk->pending;
    if (!result.ok() && disk->failure.empty()) disk->failure = std::string(result.message());
    Wake();
  };
  if (!disk->ram.empty()) {
    ++disk->pending;
    ++guest.zeroing;
    zeroer_.Add(&disk->ram, [&guest, ready](const absl::Status& result) {
      --guest.zeroing;
      ready(result);
    });
  }
  if (IsUnmapped(*disk)) {
    ++disk->pending;
    FileLoader::Job job;
    job.disks = {NameToMap(*disk)};
    job.done = [this, &guest, disk, ready](absl::StatusOr<FileLoader::Loaded> loaded) {
      guest.load = 0;
      if (!loaded.ok()) return ready(loaded.status());
      ready(TakeMap(world_.ram, std::move(loaded->disks[0]), *disk, guest, guests_));
    };
    guest.load = loader_->Add(std::move(job));
  }
  Wake();
  return absl::OkStatus();
}

void Guests::Detached(Guest& guest, GuestDisk& disk, uint32_t request) {
  disk.phase = GuestDisk::Phase::kLeaving;
  disk.request = request;
  RevokeDisk(guest, disk, supervisor_);
  Wake();
}

void Guests::DescribeDisks(Guest& guest) {
  auto config = std::make_unique<capnp::MallocMessageBuilder>();
  config->setRoot(guest.Config());
  std::vector<proto::Disk::Reader> served;
  for (const auto& disk : guest.disks) {
    if (disk->phase == GuestDisk::Phase::kServed) served.push_back(disk->Config());
  }
  auto disks =
      config->getRoot<proto::GuestConfig>().initDisks(static_cast<unsigned>(served.size()));
  for (unsigned i = 0; i < disks.size(); ++i) disks.setWithCaveats(i, served[i]);
  // Without what the former list took.
  auto packed = std::make_unique<capnp::MallocMessageBuilder>();
  packed->setRoot(config->getRoot<proto::GuestConfig>().asReader());
  guest.config = std::move(packed);
}

bool Guests::StepDisk(Guest& guest, GuestDisk& disk) {
  const auto give_up = [&](const std::string& why) {
    disk.failure = why;
    disk.phase = GuestDisk::Phase::kLeaving;
    RevokeDisk(guest, disk, supervisor_);
    return true;
  };
  switch (disk.phase) {
    case GuestDisk::Phase::kPreparing:
      if (disk.pending != 0) return false;
      if (!disk.failure.empty()) return give_up(disk.failure);
      disk.phase = GuestDisk::Phase::kOffered;
      if (!OfferDisk(guest, disk, supervisor_) || !OfferToVmm(guest, disk, supervisor_))
        return give_up("blkback or the VMM has too many disks");
      return true;
    case GuestDisk::Phase::kOffered: {
      const OfferBook& offers = guest.vmm->offers();
      if (!offers.Has(VmmDiskName(disk))) return give_up("the VMM has refused it");
      if (!offers.IsTaken(VmmDiskName(disk))) return false;
      disk.phase = GuestDisk::Phase::kServed;
      DescribeDisks(guest);
      if (disk.request != 0) listener_.done(std::exchange(disk.request, 0));
      return false;
    }
    case GuestDisk::Phase::kServed:
      return false;
    case GuestDisk::Phase::kLeaving:
      return !DiskHeld(guest, disk, supervisor_);
  }
  return false;
}

void Guests::StepDisks(Guest& guest) {
  for (size_t i = guest.disks.size(); i-- > 0;) {
    GuestDisk& disk = *guest.disks[i];
    while (StepDisk(guest, disk)) {
      if (disk.phase != GuestDisk::Phase::kLeaving || DiskHeld(guest, disk, supervisor_)) continue;
      const std::unique_ptr<GuestDisk> gone = std::move(guest.disks[i]);
      guest.disks.erase(guest.disks.begin() + static_cast<ptrdiff_t>(i));
      DescribeDisks(guest);
      const uint32_t request = gone->request;
      const absl::Status status =
          gone->failure.empty() ? absl::OkStatus() : absl::AbortedError(gone->failure);
      // Who hears of its end finds its memory free.
      gone->ram.clear();
      gone->map_memory.Reset();
      gone->link = Link();
      if (request != 0) status.ok() ? listener_.done(request) : listener_.failed(request, status);
      break;
    }
  }
}

}  // namespace pyrene::init
