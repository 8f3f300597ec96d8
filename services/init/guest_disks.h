// SPDX-License-Identifier: Apache-2.0
//
// A guest's virtual disks as init keeps them: for each a channel of its VMM with blkback, whose
// data pool the requests' data passes through, and, which outlives blkback, the map of a disk that
// is a part of a device; or the memory of a RAM disk, which its VMM serves by itself. All are the
// guest's until its end, or until the disk is detached. On the target only.
#pragma once

#include <capnp/message.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "platform/block/disk_map.h"
#include "proto/guest.capnp.h"
#include "services/init/file_loader.h"
#include "services/init/link.h"
#include "services/init/ram.h"

namespace pyrene::init {

struct Grant;
struct Guest;
class Service;
class Supervisor;

struct GuestDisk {
  // Of one that is attached to a running guest: preparing until its memory is zeroed and fs has
  // told its place, offered until its VMM has taken it. Leaving: blkback or the VMM still has it.
  enum class Phase : uint8_t { kPreparing, kOffered, kServed, kLeaving };

  unsigned slot = 0;                                    // 0..kMaxGuestDisks-1, of the guest's
  std::unique_ptr<capnp::MallocMessageBuilder> config;  // root Disk
  Link link;                                            // none of a RAM disk
  std::vector<Ram> ram;                                 // of a RAM disk, in its order
  // Which sectors of a device it has: all, or where fs says that the file or the partition is.
  block::DiskMap map;
  Ram map_memory;  // for blkback; empty if it has the whole device
  Phase phase = Phase::kServed;
  unsigned pending = 0;   // what kPreparing waits for
  std::string failure;    // why it can not be attached; empty: not (yet)
  uint32_t request = 0;   // the toolstack's, that waits for the phase's end; 0: none
  bool attached = false;  // later than its guest's creation: the VMM has it by an offer

  proto::Disk::Reader Config() const { return config->getRoot<proto::Disk>().asReader(); }
};

// Of kernel memory that the VMM needs to map one disk's channel, or a RAM disk that is attached
// later.
inline constexpr uint64_t kDiskQuotaPages = 4;
// Of kernel memory that it needs for the page tables of its guest's RAM disks.
uint64_t QuotaForRamDisks(const Guest& guest);

// Whether a guest can have such a disk: there is blkback, and the device has a driver.
absl::Status CheckDisk(proto::Disk::Reader disk, Supervisor& supervisor);

// A disk for `guest`, which need not be one of `guests` yet. A RAM disk's memory is not zeroed.
// FailedPrecondition: a device is in use.
absl::StatusOr<std::unique_ptr<GuestDisk>> MakeDisk(RamPool& pool, const Guest& guest,
                                                    proto::Disk::Reader config,
                                                    absl::Span<const std::unique_ptr<Guest>> guests,
                                                    Supervisor& supervisor);
// All disks of guest.Config().
absl::Status MakeDisks(RamPool& pool, Guest& guest, absl::Span<const std::unique_ptr<Guest>> guests,
                       Supervisor& supervisor);

// Whether fs is to be asked where the disk is.
bool IsUnmapped(const GuestDisk& disk);
FileLoader::DiskName NameToMap(const GuestDisk& disk);
// What fs answered. FailedPrecondition: another disk of `guests`, `guest` among them, has some of
// it, and one of the two is written.
absl::Status TakeMap(RamPool& pool, block::DiskMap map, GuestDisk& disk, const Guest& guest,
                     absl::Span<const std::unique_ptr<Guest>> guests);

// What the VMM has of disks that are there before it, by their slots: "disk.K" and "disk.K.peer",
// or a RAM disk's pieces "disk.K.P".
void AddDiskGrants(const Guest& guest, Supervisor& supervisor, std::vector<Grant>& grants);
// Of one that is attached later, "disk.K", or a RAM disk's pieces.
bool OfferToVmm(const Guest& guest, const GuestDisk& disk, Supervisor& supervisor);
// blkback's, but of a RAM disk: "disk.N.K", before it the map of a part of a device, "map.N.K".
// False: too many.
bool OfferDisk(const Guest& guest, const GuestDisk& disk, Supervisor& supervisor);
// Takes back what was offered to both.
void RevokeDisk(const Guest& guest, const GuestDisk& disk, Supervisor& supervisor);
// One of the two has not let go of it.
bool DiskHeld(const Guest& guest, const GuestDisk& disk, Supervisor& supervisor);
// The offer that the VMM takes when the guest can see the disk.
std::string VmmDiskName(const GuestDisk& disk);

}  // namespace pyrene::init
