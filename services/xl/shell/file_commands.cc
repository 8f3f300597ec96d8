// SPDX-License-Identifier: Apache-2.0
//
// `ls` and `cat`.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"

namespace pyrene::xl {
namespace {

std::string FormatEntry(const FileEntry& file, bool sizes) {
  const absl::string_view mark = file.is_directory ? "/" : "";
  if (!sizes) return absl::StrCat(file.name, mark, "\n");
  return absl::StrFormat("%12d  %s%s\n", file.bytes, file.name, mark);
}

// `path` as its directory lists it.
absl::StatusOr<FileEntry> FindEntry(Session& session, const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  absl::StatusOr<std::vector<FileEntry>> files = session.toolstack.Files(directory);
  if (!files.ok()) return files.status();
  for (const FileEntry& file : *files) {
    if (file.name == name) return FileEntry{path, file.bytes, file.is_directory};
  }
  return absl::NotFoundError("");
}

int FileFailure(Session& session, absl::string_view command, absl::string_view path,
                const absl::Status& status) {
  if (!absl::IsNotFound(status)) return Fail(session, command, status);
  session.Print(absl::StrCat(command, ": ", path, ": No such file or directory\n"));
  return kExitFailure;
}

}  // namespace

int Ls(Session& session, const ParsedOptions& options) {
  const std::string path = options.arguments.empty() ? "" : options.arguments[0];
  const bool sizes = options.Has('l');
  const absl::StatusOr<std::vector<FileEntry>> files = session.toolstack.Files(path);
  if (absl::IsNotFound(files.status())) {
    const absl::StatusOr<FileEntry> file = FindEntry(session, path);
    if (!file.ok()) return FileFailure(session, "ls", path, file.status());
    session.Print(FormatEntry(*file, sizes));
    return kExitSuccess;
  }
  if (!files.ok()) return Fail(session, "ls", files.status());
  for (const FileEntry& file : *files) session.Print(FormatEntry(file, sizes));
  return kExitSuccess;
}

int Cat(Session& session, const ParsedOptions& options) {
  for (const std::string& path : options.arguments) {
    for (uint64_t offset = 0;;) {
      const absl::StatusOr<Toolstack::FilePart> part = session.toolstack.ReadPart(path, offset);
      if (!part.ok()) return FileFailure(session, "cat", path, part.status());
      if (part->data.empty()) break;
      session.Print(part->data);
      offset += part->data.size();
    }
  }
  return kExitSuccess;
}

}  // namespace pyrene::xl
