// SPDX-License-Identifier: Apache-2.0
//
// A guest's virtual disks as init keeps them: for each a channel of its VMM with blkback, whose
// data pool the requests' data passes through, and the memory of a RAM disk, which is the guest's
// for its life and outlives blkback. On the target only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "proto/guest.capnp.h"
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
};

// Of kernel memory that the VMM needs to map one disk's channel.
inline constexpr uint64_t kDiskQuotaPages = 4;

// Whether a new guest can have such disks beside the guests that there are: the devices are there,
// and what one writes nobody else has.
absl::Status CheckDisks(proto::GuestConfig::Reader config,
                        absl::Span<const std::unique_ptr<Guest>> guests, Supervisor& supervisor);

// All disks of guest.Config(). The RAM disks' memory is not zeroed.
absl::Status AllocateDisks(RamPool& pool, Guest& guest);

// The VMM's ends: "disk.K" and "disk.K.peer", in the configuration's order.
void AddDiskGrants(const Guest& guest, const Service& blkback, std::vector<Grant>& grants);
// blkback's: "disk.N.K", before it the pieces of a RAM disk, "ram.N.K.P". False: too many.
bool OfferDisks(const Guest& guest, Service& blkback);
void RevokeDisks(const Guest& guest, Service& blkback);
// blkback has not let go of all.
bool DisksHeld(const Guest& guest, Service& blkback);

}  // namespace pyrene::init
