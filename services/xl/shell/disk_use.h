// SPDX-License-Identifier: Apache-2.0
//
// What guests have of the disk's file system: the files that are their disks, and the device that
// it is on.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/xl/shell/session.h"

namespace pyrene::xl {

// Whether `mounted`, a device, is `device` or one of its partitions ("/dev/mmcblk0p2",
// "/dev/vda2").
bool HasPartOf(absl::string_view device, absl::string_view mounted);

// Whether fs may change its files, and the file `number` (0: none that is there already) among
// them. FailedPrecondition names the guest that has the file as a disk, by whatever name, or that
// writes to the device.
absl::Status CheckChange(Session& session, uint32_t number);

// Whether a journal that fs did not write may be replayed: while a guest writes to some device of
// the disk it may be that guest's.
absl::Status CheckReplay(Session& session);

}  // namespace pyrene::xl
