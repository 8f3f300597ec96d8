// SPDX-License-Identifier: Apache-2.0
//
// What a front-end writes below its directory in XenStore to be connected (ABI 7.2). The guest
// wrote it: numbers are bounded here, and nothing else of it is believed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/vmm/blkif/disk.h"

namespace pyrene::vmm::blkif {

// By the key's name below the front-end's directory.
using FrontendKeys = std::map<std::string, std::string>;

// Which keys say how many there are of the others.
std::vector<std::string> ShapeKeys();
// Which keys name the rings' pages and ports; InvalidArgument if the shape is none.
absl::StatusOr<std::vector<std::string>> RingKeys(const FrontendKeys& shape, uint32_t max_queues);
// The same keys' values. InvalidArgument says what is missing.
absl::StatusOr<std::vector<Disk::RingPlace>> Rings(const FrontendKeys& keys, uint32_t max_queues);

}  // namespace pyrene::vmm::blkif
