// SPDX-License-Identifier: Apache-2.0
#include "services/xl/disk_source.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/fs/client/card_path.h"

namespace pyrene::xl {
namespace {

constexpr uint64_t kRamDiskUnit = 4096;
constexpr absl::string_view kDevices = "/dev/";
constexpr absl::string_view kLoop = "/dev/loop";

// Why this build has no such disk; empty: it has.
absl::string_view Refusal(const DiskSpec& disk) {
  if (disk.cdrom) return "CD-ROM drives are not supported";
  if (disk.format != DiskSpec::Format::kRaw) return "only raw disks are supported";
  if (!disk.script.empty()) return "block scripts are not supported";
  if (!disk.backend.empty()) return "back-ends in other guests are not supported";
  if (disk.specification != DiskSpec::Specification::kXen) return "virtio disks are not supported";
  if (disk.source == DiskSpec::Source::kRam && disk.ram_bytes % kRamDiskUnit != 0)
    return "a RAM disk is a multiple of 4 KiB";
  return "";
}

}  // namespace

// What the target is goes before what its prefix says of it, as with Xen's scripts: a name without
// "/" after phy: is a device's, a path below /dev one, too, and all others are files.
absl::Status PrepareDisk(DiskSpec& disk) {
  using Source = DiskSpec::Source;
  if (const absl::string_view refusal = Refusal(disk); !refusal.empty())
    return absl::UnimplementedError(refusal);
  if (disk.source == Source::kPhy && disk.target.find('/') == std::string::npos)
    disk.target = absl::StrCat(kDevices, disk.target);
  if (disk.target.size() > kMaxDiskTarget)
    return absl::InvalidArgumentError(
        absl::StrCat("the target is longer than ", kMaxDiskTarget, " bytes"));
  if (disk.source == Source::kRam) return absl::OkStatus();
  disk.source = absl::StartsWith(disk.target, kDevices) ? Source::kPhy : Source::kFile;
  if (disk.source == Source::kPhy) return absl::OkStatus();
  const std::optional<std::string> file = fs::PathOnCard(disk.target);
  if (!file.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        disk.target, " can not be a disk: only files below /", fs::kCardFolder, " can"));
  }
  disk.file = *file;
  return absl::OkStatus();
}

bool IsLoopDevice(absl::string_view device) {
  return absl::ConsumePrefix(&device, kLoop) && !device.empty() && device.size() <= 3 &&
         std::all_of(device.begin(), device.end(),
                     [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

}  // namespace pyrene::xl
