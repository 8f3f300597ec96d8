// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/loop_devices.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "services/fs/client/card_path.h"
#include "services/xl/command_table.h"
#include "services/xl/disk_source.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"

namespace pyrene::xl {
namespace {

constexpr absl::string_view kNodes = "/tool/loop";
constexpr absl::string_view kDevice = "/dev/loop";
constexpr unsigned kMaxLoopDevices = 256;

std::string NodeOf(unsigned number) { return absl::StrCat(kNodes, "/", number); }
std::string DeviceOf(unsigned number) { return absl::StrCat(kDevice, number); }

// Of "/dev/loopN" or "loopN"; kMaxLoopDevices: none.
unsigned NumberOf(absl::string_view device) {
  const std::string path =
      absl::StartsWith(device, "loop") ? absl::StrCat("/dev/", device) : std::string(device);
  unsigned number = kMaxLoopDevices;
  if (!IsLoopDevice(path) || !absl::SimpleAtoi(absl::StripPrefix(path, kDevice), &number))
    return kMaxLoopDevices;
  return std::min(number, kMaxLoopDevices);
}

int LosetupError(Session& session, absl::string_view what, absl::string_view why) {
  session.Print(absl::StrCat("losetup: ", what, ": ", why, "\n"));
  return kExitFailure;
}

int ListLoops(Session& session, const std::map<unsigned, std::string>& loops, bool all) {
  if (!all && !loops.empty()) session.Print(absl::StrFormat("%-12s %s\n", "NAME", "BACK-FILE"));
  for (const auto& [number, file] : loops) {
    session.Print(all ? absl::StrFormat("%s: (%s)\n", DeviceOf(number), file)
                      : absl::StrFormat("%-12s %s\n", DeviceOf(number), file));
  }
  return kExitSuccess;
}

int Detach(Session& session, const std::map<unsigned, std::string>& loops,
           absl::Span<const std::string> devices) {
  int result = kExitSuccess;
  for (const std::string& device : devices) {
    const unsigned number = NumberOf(device);
    if (loops.count(number) == 0) {
      result = LosetupError(session, device, "detach failed: No such device or address");
    } else if (const absl::Status status = session.xenstore.Remove(NodeOf(number)); !status.ok()) {
      result = Fail(session, "losetup", status);
    }
  }
  return result;
}

int Attach(Session& session, unsigned number, const std::string& file) {
  if (!fs::PathOnCard(file).has_value()) {
    return LosetupError(session, file,
                        absl::StrCat("only files below /", fs::kCardFolder, " can be disks"));
  }
  const absl::StatusOr<FileEntry> entry = session.files.Stat(file);
  if (absl::IsNotFound(entry.status()))
    return LosetupError(session, file, "failed to set up loop device: No such file or directory");
  if (!entry.ok()) return Fail(session, "losetup", entry.status());
  if (entry->is_directory)
    return LosetupError(session, file, "failed to set up loop device: Is a directory");
  const absl::Status status = session.xenstore.Write(NodeOf(number), file);
  return status.ok() ? kExitSuccess : Fail(session, "losetup", status);
}

}  // namespace

absl::StatusOr<std::map<unsigned, std::string>> LoopDevices(XenstoreClient& xenstore) {
  std::map<unsigned, std::string> loops;
  const absl::StatusOr<std::vector<std::string>> names = xenstore.Directory(std::string(kNodes));
  if (absl::IsNotFound(names.status())) return loops;
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    unsigned number = 0;
    if (!absl::SimpleAtoi(name, &number) || number >= kMaxLoopDevices) continue;
    const absl::StatusOr<std::string> file = xenstore.Read(NodeOf(number));
    if (!file.ok()) return file.status();
    loops[number] = *file;
  }
  return loops;
}

absl::Status ResolveLoopDevice(XenstoreClient& xenstore, DiskSpec& disk) {
  if (disk.source != DiskSpec::Source::kPhy || !IsLoopDevice(disk.target)) return absl::OkStatus();
  const absl::StatusOr<std::map<unsigned, std::string>> loops = LoopDevices(xenstore);
  if (!loops.ok()) return loops.status();
  const auto loop = loops->find(NumberOf(disk.target));
  if (loop == loops->end()) {
    return absl::NotFoundError(
        absl::StrCat(disk.target, " has no file: losetup ", disk.target, " FILE gives it one"));
  }
  const std::optional<std::string> file = fs::PathOnCard(loop->second);
  if (!file.has_value())
    return absl::NotFoundError(
        absl::StrCat(disk.target, ": ", loop->second, " is not on the disk"));
  disk.source = DiskSpec::Source::kFile;
  disk.file = *file;
  return absl::OkStatus();
}

int Losetup(Session& session, const ParsedOptions& options) {
  const absl::StatusOr<std::map<unsigned, std::string>> loops = LoopDevices(session.xenstore);
  if (!loops.ok()) return Fail(session, "losetup", loops.status());
  const std::vector<std::string>& words = options.arguments;
  if (options.Has('d')) return Detach(session, *loops, words);
  if (options.Has('D')) {
    std::vector<std::string> all;
    for (const auto& [number, file] : *loops) all.push_back(DeviceOf(number));
    return Detach(session, *loops, all);
  }
  if (options.Has('f')) {
    unsigned number = 0;
    while (loops->count(number) != 0) ++number;
    if (number >= kMaxLoopDevices)
      return LosetupError(session, "cannot find an unused loop device", "all are in use");
    const int result = words.empty() ? kExitSuccess : Attach(session, number, words[0]);
    if (result == kExitSuccess && (words.empty() || options.Has(kOptionShow)))
      session.Print(absl::StrCat(DeviceOf(number), "\n"));
    return result;
  }
  if (words.empty()) return ListLoops(session, *loops, options.Has('a'));
  const unsigned number = NumberOf(words[0]);
  if (number == kMaxLoopDevices)
    return LosetupError(session, words[0], "is no loop device (/dev/loop0 to /dev/loop255)");
  const auto loop = loops->find(number);
  if (words.size() == 1) {
    if (loop == loops->end()) return LosetupError(session, words[0], "No such device or address");
    return ListLoops(session, {*loop}, true);
  }
  if (loop != loops->end())
    return LosetupError(session, words[0], "failed to set up loop device: Device or resource busy");
  return Attach(session, number, words[1]);
}

}  // namespace pyrene::xl
