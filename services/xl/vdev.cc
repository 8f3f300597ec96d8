// SPDX-License-Identifier: Apache-2.0
#include "services/xl/vdev.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pyrene::xl {
namespace {

constexpr uint32_t kXvdMajor = 202;
constexpr uint32_t kSdMajor = 8;
constexpr uint32_t kHdMajors[] = {3, 22};
constexpr uint32_t kExtended = 1u << 28;
constexpr uint32_t kMaxXvdDisk = (1u << 20) - 1;

struct DiskAndPartition {
  uint32_t disk = 0;
  uint32_t partition = 0;
};

// Decimal, without sign and without leading zeros.
bool ParseDecimal(absl::string_view text, uint32_t max, uint32_t& value) {
  if (text.empty() || !absl::ascii_isdigit(text.front())) return false;
  if (text.size() > 1 && text.front() == '0') return false;
  return absl::SimpleAtoi(text, &value) && value <= max;
}

// "<prefix><letters>[<partition>]".
bool ParseLetters(absl::string_view name, absl::string_view prefix, uint32_t max_disk,
                  uint32_t max_partition, DiskAndPartition& result) {
  if (!absl::ConsumePrefix(&name, prefix)) return false;
  uint64_t disks = 0;  // one more than the disk: letters are digits 1..26 of base 26
  while (!name.empty() && absl::ascii_islower(name.front())) {
    disks = disks * 26 + static_cast<uint64_t>(name.front() - 'a') + 1;
    if (disks > uint64_t{max_disk} + 1) return false;
    name.remove_prefix(1);
  }
  if (disks == 0) return false;
  result.disk = static_cast<uint32_t>(disks - 1);
  result.partition = 0;
  if (name.empty()) return true;
  return ParseDecimal(name, max_partition, result.partition) && result.partition != 0;
}

// "d<disk>p<partition>".
bool ParseNumbers(absl::string_view name, DiskAndPartition& result) {
  const size_t p = name.find('p');
  if (p == absl::string_view::npos || name.front() != 'd') return false;
  return ParseDecimal(name.substr(1, p - 1), kMaxXvdDisk, result.disk) &&
         ParseDecimal(name.substr(p + 1), 255, result.partition);
}

std::string Letters(uint32_t disk) {
  std::string letters;
  for (uint32_t rest = disk + 1; rest > 0; rest = (rest - 1) / 26) {
    letters.insert(letters.begin(), static_cast<char>('a' + (rest - 1) % 26));
  }
  return letters;
}

std::string Name(absl::string_view prefix, DiskAndPartition device) {
  std::string name = absl::StrCat(prefix, Letters(device.disk));
  if (device.partition != 0) absl::StrAppend(&name, device.partition);
  return name;
}

}  // namespace

absl::StatusOr<uint32_t> ParseVdev(absl::string_view name) {
  DiskAndPartition device;
  if (ParseLetters(name, "xvd", kMaxXvdDisk, 255, device) || ParseNumbers(name, device)) {
    if (device.disk <= 15 && device.partition <= 15)
      return kXvdMajor << 8 | device.disk << 4 | device.partition;
    return kExtended | device.disk << 8 | device.partition;
  }
  if (ParseLetters(name, "sd", 15, 15, device))
    return kSdMajor << 8 | device.disk << 4 | device.partition;
  if (ParseLetters(name, "hd", 3, 63, device)) {
    return kHdMajors[device.disk / 2] << 8 | (device.disk & 1) << 6 | device.partition;
  }
  constexpr uint32_t kMaxNumber = std::numeric_limits<int32_t>::max();
  uint32_t number = 0;
  if (ParseDecimal(name, kMaxNumber, number)) return number;
  if (name.size() > 2 && absl::StartsWith(name, "0x") && absl::SimpleHexAtoi(name, &number) &&
      number <= kMaxNumber) {
    return number;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", name, "' is no virtual disk (xvda, sda1, hda, d0p1)"));
}

std::string FormatVdev(uint32_t number) {
  if ((number & kExtended) != 0) return Name("xvd", {(number & ~kExtended) >> 8, number & 0xff});
  const uint32_t minor = number & 0xff;
  switch (number >> 8) {
    case kXvdMajor:
      return Name("xvd", {minor >> 4, minor & 15});
    case kSdMajor:
      return Name("sd", {minor >> 4, minor & 15});
    case kHdMajors[0]:
    case kHdMajors[1]:
      if (minor < 128)
        return Name("hd", {(number >> 8 == kHdMajors[1] ? 2 : 0) + (minor >> 6), minor & 63});
      break;
    default:
      break;
  }
  return absl::StrCat(number);
}

}  // namespace pyrene::xl
