// SPDX-License-Identifier: Apache-2.0
//
// `ls`, `cat` and `df`.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/fs/client/card_path.h"
#include "services/xl/messages.h"
#include "services/xl/plain_text.h"
#include "services/xl/shell/commands.h"

namespace pyrene::xl {
namespace {

std::string FormatEntry(const FileEntry& file, bool sizes) {
  const std::string name = absl::StrCat(Printable(file.name), file.is_directory ? "/" : "");
  if (!sizes) return absl::StrCat(name, "\n");
  return absl::StrFormat("%12d  %s\n", file.bytes, name);
}

int FileFailure(Session& session, absl::string_view command, absl::string_view path,
                const absl::Status& status) {
  // Those of fs name the file themselves.
  if (absl::StartsWith(status.message(), "/")) {
    session.Print(absl::StrCat(command, ": ", status.message(), "\n"));
    return kExitFailure;
  }
  if (!absl::IsNotFound(status)) return Fail(session, command, status);
  session.Print(absl::StrCat(command, ": ", path, ": No such file or directory\n"));
  return kExitFailure;
}

}  // namespace

int Ls(Session& session, const ParsedOptions& options) {
  const std::string path = options.arguments.empty() ? "" : options.arguments[0];
  const bool sizes = options.Has('l');
  const absl::StatusOr<std::vector<FileEntry>> files = session.files.List(path);
  if (absl::IsNotFound(files.status()) || absl::IsInvalidArgument(files.status())) {
    const absl::StatusOr<FileEntry> file = session.files.Stat(path);
    if (!file.ok()) return FileFailure(session, "ls", path, file.status());
    session.Print(FormatEntry(*file, sizes));
    return kExitSuccess;
  }
  if (!files.ok()) return FileFailure(session, "ls", path, files.status());
  for (const FileEntry& file : *files) session.Print(FormatEntry(file, sizes));
  return kExitSuccess;
}

int Cat(Session& session, const ParsedOptions& options) {
  for (const std::string& path : options.arguments) {
    for (uint64_t offset = 0;;) {
      const absl::StatusOr<Toolstack::FilePart> part = session.files.ReadPart(path, offset);
      if (!part.ok()) return FileFailure(session, "cat", path, part.status());
      if (part->data.empty()) break;
      session.Print(part->data);
      offset += part->data.size();
    }
  }
  return kExitSuccess;
}

int Df(Session& session, const ParsedOptions&) {
  const absl::StatusOr<FsClient::DiskUsage> usage = session.files.Usage();
  if (!usage.ok()) return Fail(session, "df", usage.status());
  const uint64_t used = usage->total_kib - std::min(usage->free_kib, usage->total_kib);
  const uint64_t seen = used + usage->available_kib;  // reserved blocks count for nobody
  const uint64_t percent = seen == 0 ? 0 : (used * 100 + seen - 1) / seen;
  session.Print(absl::StrFormat("%-16s %11s %11s %11s %4s %s\n", "Filesystem", "1K-blocks", "Used",
                                "Available", "Use%", "Mounted on"));
  session.Print(absl::StrFormat("%-16s %11d %11d %11d %3d%% /%s\n",
                                absl::StrCat("/dev/", usage->device), usage->total_kib, used,
                                usage->available_kib, percent, fs::kCardFolder));
  return kExitSuccess;
}

}  // namespace pyrene::xl
