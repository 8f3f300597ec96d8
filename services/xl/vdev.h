// SPDX-License-Identifier: Apache-2.0
// Names and numbers of virtual disks.  The number is the key below ~/device/vbd in XenStore and
// tells the guest's front-end which device to make:
//
//   xvd<disk>[<partition>]   202<<8 | disk<<4 | partition, where both are at most 15, else
//   d<disk>p<partition>      1<<28 | disk<<8 | partition, with disk < 2^20 and partition < 256
//   sd<disk>[<partition>]    8<<8 | disk<<4 | partition, 16 disks of 15 partitions
//   hd<disk>[<partition>]    3<<8 or 22<<8 | (disk&1)<<6 | partition, 4 disks of 63 partitions
//   a plain number           itself; decimal, or hexadecimal with 0x
//
// Partition 0 is the whole disk.  Where disks are letters, they are a..z, aa, ab and so on.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pyrene::xl {

absl::StatusOr<uint32_t> ParseVdev(absl::string_view name);

// The name a Linux guest gives the device: "xvda1" for 51713.  A number outside the encodings above
// stays a number.
std::string FormatVdev(uint32_t number);

}  // namespace pyrene::xl
