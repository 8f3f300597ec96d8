// SPDX-License-Identifier: Apache-2.0
//
// What a disk specification's target is: memory, a block device, or a file of the disk's file
// system.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/xl/disk_spec.h"

namespace pyrene::xl {

// Of a target; as proto/guest.capnp has it.
inline constexpr size_t kMaxDiskTarget = 127;

// Sets `source` to kRam, kPhy (`target` begins with "/dev/") or kFile (`file` is set).
// Unimplemented: this build has no such disks; InvalidArgument: the target can be no disk.
absl::Status PrepareDisk(DiskSpec& disk);

// Whether "/dev/..." is a loop device, "/dev/loop0", which stands for a file.
bool IsLoopDevice(absl::string_view device);

}  // namespace pyrene::xl
