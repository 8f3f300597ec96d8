// SPDX-License-Identifier: Apache-2.0
//
// A guest's virtual disks as init keeps them: for each a channel of its VMM with blkback, whose
// data pool the requests' data passes through, and what outlives blkback: the memory of a RAM disk,
// and the map of a disk that is a part of a device. Both are the guest's for its life. On the
// target only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
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
  Link link;
  std::vector<Ram> ram;  // of a RAM disk, in its order
  // Which sectors of a device it has: all, or where fs says that the file or the partition is.
  block::DiskMap map;
  Ram map_memory;  // for blkback; empty if it has the whole device
};

// Of kernel memory that the VMM needs to map one disk's channel.
inline constexpr uint64_t kDiskQuotaPages = 4;

// Whether a new guest can have such disks: there is blkback, and the devices have drivers.
absl::Status CheckDisks(proto::GuestConfig::Reader config, Supervisor& supervisor);

// All disks of guest.Config(), which is none of `guests` yet. The RAM disks' memory is not zeroed.
// FailedPrecondition: a device is in use.
absl::Status AllocateDisks(RamPool& pool, Guest& guest,
                           absl::Span<const std::unique_ptr<Guest>> guests, Supervisor& supervisor);

// The disks whose places fs is to be asked for, in the configuration's order.
std::vector<FileLoader::DiskName> DisksToMap(const Guest& guest);
// What fs answered. FailedPrecondition: another disk of `guests`, `guest` among them, has some of
// it, and one of the two is written.
absl::Status TakeMaps(RamPool& pool, std::vector<block::DiskMap> maps, Guest& guest,
                      absl::Span<const std::unique_ptr<Guest>> guests);

// The VMM's ends: "disk.K" and "disk.K.peer", in the configuration's order.
void AddDiskGrants(const Guest& guest, const Service& blkback, std::vector<Grant>& grants);
// blkback's: "disk.N.K", before it the pieces of a RAM disk, "ram.N.K.P", or the map of a part of a
// device, "map.N.K". False: too many.
bool OfferDisks(const Guest& guest, Service& blkback);
void RevokeDisks(const Guest& guest, Service& blkback);
// blkback has not let go of all.
bool DisksHeld(const Guest& guest, Service& blkback);

}  // namespace pyrene::init
