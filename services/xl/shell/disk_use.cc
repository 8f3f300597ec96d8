// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/disk_use.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pyrene::xl {
namespace {

using Visit = std::function<absl::Status(const std::string& guest, const DiskSpec& disk)>;

absl::Status ForEachDisk(Session& session, const Visit& visit) {
  const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
  if (!guests.ok()) return guests.status();
  for (const Guest& guest : *guests) {
    const absl::StatusOr<GuestConfig> config =
        session.toolstack.Config(static_cast<uint16_t>(guest.info.domid));
    if (absl::IsNotFound(config.status())) continue;  // it has gone
    if (!config.ok()) return config.status();
    for (const DiskSpec& disk : config->disks) {
      if (absl::Status status = visit(guest.info.name, disk); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

bool WritesDevice(const DiskSpec& disk) {
  return disk.source == DiskSpec::Source::kPhy && !disk.read_only;
}

}  // namespace

bool HasPartOf(absl::string_view device, absl::string_view mounted) {
  if (device.empty() || !absl::ConsumePrefix(&mounted, device)) return false;
  if (mounted.empty()) return true;
  if (absl::ascii_isdigit(static_cast<unsigned char>(device.back())) &&
      !absl::ConsumePrefix(&mounted, "p"))
    return false;
  return !mounted.empty() && std::all_of(mounted.begin(), mounted.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

absl::Status CheckChange(Session& session, uint32_t number) {
  std::string mounted;
  return ForEachDisk(session, [&](const std::string& guest, const DiskSpec& disk) {
    if (WritesDevice(disk)) {
      if (mounted.empty()) {
        const absl::StatusOr<FsClient::DiskUsage> usage = session.files.Usage();
        if (!usage.ok()) return usage.status();
        mounted = absl::StrCat("/dev/", usage->device);
      }
      if (HasPartOf(disk.target, mounted))
        return absl::FailedPreconditionError(
            absl::StrCat("guest ", guest, " writes to ", disk.target));
    }
    if (number == 0 || disk.source != DiskSpec::Source::kFile) return absl::OkStatus();
    const absl::StatusOr<FileEntry> file = session.files.card().Stat(disk.file);
    if (absl::IsNotFound(file.status())) return absl::OkStatus();
    if (!file.ok()) return file.status();
    if (file->number != number) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("it is the disk ", disk.vdev, " of guest ", guest));
  });
}

absl::Status CheckReplay(Session& session) {
  return ForEachDisk(session, [](const std::string& guest, const DiskSpec& disk) {
    if (!WritesDevice(disk)) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("guest ", guest, " writes to ", disk.target));
  });
}

}  // namespace pyrene::xl
