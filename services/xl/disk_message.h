// SPDX-License-Identifier: Apache-2.0
//
// A disk's specification as services tell it each other (proto/guest.capnp, Disk): raw disks that
// the system can give, nothing else of the specification.
#pragma once

#include "proto/guest.capnp.h"
#include "services/xl/disk_spec.h"

namespace pyrene::xl {

// Of a disk that ParseGuestConfig has let pass.
void WriteDisk(const DiskSpec& disk, proto::Disk::Builder message);

DiskSpec DiskFromMessage(proto::Disk::Reader message);

}  // namespace pyrene::xl
