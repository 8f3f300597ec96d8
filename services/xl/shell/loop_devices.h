// SPDX-License-Identifier: Apache-2.0
//
// Loop devices: names for files, "/dev/loop0", that disk specifications may use. They are nodes of
// XenStore, which guests do not see, and live as long as it does.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/xl/disk_spec.h"
#include "services/xl/shell/xenstore_client.h"

namespace pyrene::xl {

// By the device's number; files as they were given.
absl::StatusOr<std::map<unsigned, std::string>> LoopDevices(XenstoreClient& xenstore);

// Makes of a disk whose target is a loop device one of its file; others stay as they are.
// NotFound: no file was set up for it.
absl::Status ResolveLoopDevice(XenstoreClient& xenstore, DiskSpec& disk);

}  // namespace pyrene::xl
