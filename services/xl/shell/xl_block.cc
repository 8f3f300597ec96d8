// SPDX-License-Identifier: Apache-2.0
//
// `xl block-attach`, `block-detach` and `block-list`, and what all disks go through before init is
// asked for them.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "services/fs/client/card_path.h"
#include "services/xl/command_table.h"
#include "services/xl/disk_source.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"
#include "services/xl/shell/disk_use.h"
#include "services/xl/shell/loop_devices.h"
#include "services/xl/vdev.h"
#include "services/xl/xenstore_tree.h"

namespace pyrene::xl {
namespace {

constexpr int kUnknown = -1;  // as xl prints what is not in XenStore

// A guest that writes to the device would change the files under fs, which has it mounted; Xen's
// scripts refuse that, too. If it is mounted later, fs changes nothing (disk_use.h).
absl::Status CheckMounted(Session& session, absl::Span<const DiskSpec> disks) {
  const auto writes_device = [](const DiskSpec& disk) {
    return disk.source == DiskSpec::Source::kPhy && !disk.read_only;
  };
  if (std::none_of(disks.begin(), disks.end(), writes_device)) return absl::OkStatus();
  // A journal that a guest left on its own disk stays that guest's.
  const absl::StatusOr<FsClient::DiskUsage> mounted = session.files.card().UsageAsItIs();
  if (!mounted.ok()) return absl::OkStatus();  // nothing is
  const std::string device = absl::StrCat("/dev/", mounted->device);
  for (const DiskSpec& disk : disks) {
    if (writes_device(disk) && HasPartOf(disk.target, device)) {
      return absl::FailedPreconditionError(absl::StrCat(disk.target,
                                                        " can not be written by a guest: ", device,
                                                        " is mounted at /", fs::kCardFolder));
    }
  }
  return absl::OkStatus();
}

// Of "xvdb" or "51728"; nothing: neither.
std::optional<uint32_t> VdevNumber(const std::string& text) {
  uint32_t number = 0;
  if (absl::SimpleAtoi(text, &number)) return number;
  const absl::StatusOr<uint32_t> parsed = ParseVdev(text);
  if (!parsed.ok()) return std::nullopt;
  return *parsed;
}

// A number in XenStore; kUnknown without one.
absl::StatusOr<int> ReadNumber(Session& session, const std::string& path) {
  const absl::StatusOr<std::string> text = session.xenstore.Read(path);
  int number = kUnknown;
  if (absl::IsNotFound(text.status())) return number;
  if (!text.ok()) return text.status();
  if (!absl::SimpleAtoi(*text, &number)) return kUnknown;
  return number;
}

absl::Status PrintDisk(Session& session, uint32_t domid, const std::string& vdev) {
  const std::string front = absl::StrCat(GuestHome(domid), "/device/vbd/", vdev);
  const absl::StatusOr<std::string> back = session.xenstore.Read(front + "/backend");
  if (absl::IsNotFound(back.status())) return absl::OkStatus();  // it has gone
  if (!back.ok()) return back.status();
  std::vector<int> numbers;
  for (const char* key : {"/backend-id", "/state", "/event-channel", "/ring-ref"}) {
    const absl::StatusOr<int> number = ReadNumber(session, front + key);
    if (!number.ok()) return number.status();
    numbers.push_back(*number);
  }
  // The guest's domid stands in the column "handle", as with xl.
  session.Print(absl::StrFormat("%-5s %-3d %-6d %-5d %-6d %-8d %-30s\n", vdev, numbers[0], domid,
                                numbers[1], numbers[2], numbers[3], *back));
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveDisks(Session& session, absl::Span<DiskSpec> disks) {
  for (DiskSpec& disk : disks) {
    absl::Status status = ResolveLoopDevice(session.xenstore, disk);
    if (!status.ok()) return status;
  }
  if (absl::Status status = CheckMounted(session, disks); !status.ok()) return status;
  for (const DiskSpec& disk : disks) {
    if (disk.source != DiskSpec::Source::kFile) continue;
    if (absl::Status status = FillHoles(session, disk); !status.ok()) return status;
  }
  return absl::OkStatus();
}

int XlBlockAttach(Session& session, const ParsedOptions& options) {
  const std::optional<Guest> guest = FindGuest(session, options.arguments[0]);
  if (!guest.has_value()) return kExitFailure;
  absl::StatusOr<DiskSpec> disk =
      ParseDiskSpecParts(absl::MakeConstSpan(options.arguments).subspan(1));
  absl::Status status = disk.status();
  if (status.ok()) status = PrepareDisk(*disk);
  if (status.ok()) status = ResolveDisks(session, absl::MakeSpan(&*disk, 1));
  if (status.ok())
    status = session.toolstack.AttachDisk(static_cast<uint16_t>(guest->info.domid), *disk);
  return status.ok() ? kExitSuccess : LibxlError(session, status);
}

int XlBlockDetach(Session& session, const ParsedOptions& options) {
  const std::optional<Guest> guest = FindGuest(session, options.arguments[0]);
  if (!guest.has_value()) return kExitFailure;
  const std::string& device = options.arguments[1];
  const std::optional<uint32_t> number = VdevNumber(device);
  absl::Status status = absl::NotFoundError("");
  if (number.has_value()) {
    status = session.toolstack.DetachDisk(static_cast<uint16_t>(guest->info.domid), *number,
                                          options.Has(kOptionForce));
  }
  if (absl::IsNotFound(status)) {
    session.Print(absl::StrCat("Error: Device ", device, " not connected.\n"));
    return kExitFailure;
  }
  return status.ok() ? kExitSuccess : LibxlError(session, status);
}

int XlBlockList(Session& session, const ParsedOptions& options) {
  int result = kExitSuccess;
  session.Print(absl::StrFormat("%-5s %-3s %-6s %-5s %-6s %-8s %-30s\n", "Vdev", "BE", "handle",
                                "state", "evt-ch", "ring-ref", "BE-path"));
  for (const std::string& name : options.arguments) {
    const std::optional<Guest> guest = FindGuest(session, name);
    if (!guest.has_value()) {
      result = kExitFailure;
      continue;
    }
    const absl::StatusOr<std::vector<std::string>> vdevs =
        session.xenstore.Directory(absl::StrCat(GuestHome(guest->info.domid), "/device/vbd"));
    if (absl::IsNotFound(vdevs.status())) continue;
    absl::Status status = vdevs.status();
    for (size_t i = 0; status.ok() && i < vdevs->size(); ++i)
      status = PrintDisk(session, guest->info.domid, (*vdevs)[i]);
    if (!status.ok()) return LibxlError(session, status);
  }
  return result;
}

}  // namespace pyrene::xl
