// SPDX-License-Identifier: Apache-2.0
//
// `cp`, `mv`, `rm`, `mkdir`, `rmdir` and `fallocate`, whose messages are coreutils'.
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/fs/client/card_path.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"
#include "services/xl/shell/disk_use.h"
#include "services/xl/shell/progress.h"

namespace pyrene::xl {
namespace {

constexpr uint32_t kZerosBytes = 1 << 20;  // in one request

// Without the file's name, which stands in the message already.
std::string Reason(const absl::Status& status) {
  if (absl::IsNotFound(status)) return "No such file or directory";
  std::string text(status.message());
  const size_t colon = text.find(": ");
  return absl::StartsWith(text, "/") && colon != std::string::npos ? text.substr(colon + 2) : text;
}

// "rm: cannot remove 'x': No such file or directory"; nothing after Ctrl-C.
int Fails(Session& session, absl::string_view what, absl::string_view path,
          const absl::Status& status) {
  if (!absl::IsCancelled(status))
    session.Print(absl::StrCat(what, " '", path, "': ", Reason(status), "\n"));
  return kExitFailure;
}

absl::Status ReadOnly() { return absl::FailedPreconditionError("Read-only file system"); }

std::string BaseName(absl::string_view path) {
  while (path.size() > 1 && absl::EndsWith(path, "/")) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return std::string(slash == absl::string_view::npos ? path : path.substr(slash + 1));
}

// Where the card has `target`, or the file `name` in it where it is a directory, and what is there.
struct Target {
  std::string path;
  FileEntry entry;  // number 0: there is nothing
};

absl::StatusOr<Target> FindTarget(Session& session, const std::string& target,
                                  const std::string& name) {
  const std::optional<std::string> on_card = fs::PathOnCard(target);
  if (!on_card.has_value()) return ReadOnly();
  FsClient& card = session.files.card();
  Target found{*on_card, {}};
  const absl::StatusOr<FileEntry> folder = card.Stat(*on_card);
  if (!folder.ok() && !absl::IsNotFound(folder.status())) return folder.status();
  if (folder.ok() && folder->is_directory) found.path = absl::StrCat(*on_card, "/", name);
  const absl::StatusOr<FileEntry> file = card.Look(found.path);
  if (!file.ok() && !absl::IsNotFound(file.status())) return file.status();
  if (!file.ok()) return found;
  found.entry = *file;
  if (file->is_directory) return absl::FailedPreconditionError("Is a directory");
  return found;
}

// Makes the file `path` of the pieces that `next` appends at an offset, until there are `bytes`.
// Whatever happens, there is the whole file or what was there before.
using Next = std::function<absl::StatusOr<uint64_t>(uint32_t number, uint64_t offset)>;
absl::Status MakeFile(Session& session, const std::string& path, uint64_t bytes,
                      const std::string& command, const Next& next) {
  FsClient& card = session.files.card();
  const absl::StatusOr<uint32_t> number = card.StartFile(bytes);
  if (!number.ok()) return number.status();
  absl::Status status;
  {
    Progress progress(session, command);
    uint64_t done = 0;
    for (bool named = false; status.ok() && !named;) {
      const bool whole = done == bytes;
      const absl::StatusOr<uint64_t> grown =
          whole ? card.FinishFile(path, *number, bytes) : next(*number, done);
      status = grown.status();
      if (grown.ok() && *grown > bytes) status = absl::InternalError("fs counts wrongly");
      if (!status.ok()) break;
      // A new life of fs's may have fewer.
      done = *grown;
      named = whole && done == bytes;
      progress.Show(done, bytes);
    }
  }
  if (!status.ok()) card.DropPart(*number);
  return status;
}

absl::Status CopyTo(Session& session, const std::string& source, const FileEntry& file,
                    const Target& target) {
  return MakeFile(session, target.path, file.bytes, absl::StrCat("cp: ", source),
                  [&](uint32_t number, uint64_t offset) -> absl::StatusOr<uint64_t> {
                    const absl::StatusOr<Toolstack::FilePart> part =
                        session.files.ReadPart(source, offset);
                    if (!part.ok()) return part.status();
                    if (part->data.empty() || part->file_bytes != file.bytes)
                      return absl::FailedPreconditionError("the source has changed");
                    return session.files.card().Append(number, offset, part->data);
                  });
}

// A number with a suffix, in bytes; 0: it is none.
uint64_t ParseSize(absl::string_view text) {
  unsigned shift = 0;
  for (const auto& [suffix, bits] :
       {std::pair{"K", 10U}, std::pair{"M", 20U}, std::pair{"G", 30U}, std::pair{"T", 40U}}) {
    absl::string_view digits = text;
    for (const char* behind : {"iB", ""}) {
      if (!absl::EndsWithIgnoreCase(digits, absl::StrCat(suffix, behind))) continue;
      digits.remove_suffix(1 + std::char_traits<char>::length(behind));
      text = digits;
      shift = bits;
      break;
    }
    if (shift != 0) break;
  }
  uint64_t size = 0;
  if (!absl::SimpleAtoi(text, &size) || size > (uint64_t{1} << 44) >> shift) return 0;
  return size << shift;
}

}  // namespace

int Cp(Session& session, const ParsedOptions& options) {
  const std::string& source = options.arguments[0];
  const std::string& goal = options.arguments[1];
  const absl::StatusOr<FileEntry> file = session.files.Stat(source);
  if (!file.ok()) return Fails(session, "cp: cannot stat", source, file.status());
  if (file->is_directory) {
    session.Print(absl::StrCat("cp: omitting directory '", source, "'\n"));
    return kExitFailure;
  }
  const absl::StatusOr<Target> target = FindTarget(session, goal, BaseName(source));
  absl::Status status = target.status();
  if (status.ok() && target->entry.number != 0 && target->entry.number == file->number) {
    session.Print(absl::StrCat("cp: '", source, "' and '", goal, "' are the same file\n"));
    return kExitFailure;
  }
  if (status.ok()) status = CheckChange(session, target->entry.number);
  if (status.ok()) status = CopyTo(session, source, *file, *target);
  if (status.ok()) return kExitSuccess;
  return Fails(session, "cp: cannot create regular file", goal, status);
}

int Mv(Session& session, const ParsedOptions& options) {
  const std::string& source = options.arguments[0];
  const std::string& goal = options.arguments[1];
  const std::optional<std::string> from = fs::PathOnCard(source);
  if (!from.has_value()) return Fails(session, "mv: cannot move", source, ReadOnly());
  const absl::StatusOr<FileEntry> file = session.files.card().Look(*from);
  if (!file.ok()) return Fails(session, "mv: cannot stat", source, file.status());
  const absl::StatusOr<Target> target = FindTarget(session, goal, BaseName(source));
  absl::Status status = target.status();
  if (status.ok() && target->entry.number == file->number) {
    session.Print(absl::StrCat("mv: '", source, "' and '", goal, "' are the same file\n"));
    return kExitFailure;
  }
  if (status.ok()) status = CheckChange(session, file->number);
  if (status.ok()) status = CheckChange(session, target->entry.number);
  if (status.ok()) status = session.files.card().Rename(*from, target->path, file->number);
  return status.ok() ? kExitSuccess : Fails(session, "mv: cannot move", source, status);
}

namespace {

int RemoveAll(Session& session, const ParsedOptions& options, absl::string_view what,
              bool directories) {
  int result = kExitSuccess;
  for (const std::string& path : options.arguments) {
    const std::optional<std::string> on_card = fs::PathOnCard(path);
    absl::Status status = on_card.has_value() ? absl::OkStatus() : ReadOnly();
    if (status.ok()) {
      const absl::StatusOr<FileEntry> file = session.files.card().Look(*on_card);
      status = file.status();
      if (status.ok() && file->is_directory != directories)
        status = absl::FailedPreconditionError(directories ? "Not a directory" : "Is a directory");
      if (status.ok()) status = CheckChange(session, file->number);
      if (status.ok()) status = session.files.card().Remove(*on_card, file->number);
    }
    if (absl::IsCancelled(status)) return kExitFailure;
    if (!status.ok()) result = Fails(session, what, path, status);
  }
  return result;
}

}  // namespace

int Rm(Session& session, const ParsedOptions& options) {
  return RemoveAll(session, options, "rm: cannot remove", false);
}

int Rmdir(Session& session, const ParsedOptions& options) {
  return RemoveAll(session, options, "rmdir: failed to remove", true);
}

int Mkdir(Session& session, const ParsedOptions& options) {
  int result = kExitSuccess;
  for (const std::string& path : options.arguments) {
    const std::optional<std::string> on_card = fs::PathOnCard(path);
    absl::Status status = on_card.has_value() ? absl::OkStatus() : ReadOnly();
    if (status.ok()) {
      status = session.files.card().Look(*on_card).status();
      if (status.ok() || absl::IsInvalidArgument(status)) {
        status = absl::AlreadyExistsError("File exists");
      } else if (absl::IsNotFound(status)) {
        status = CheckChange(session, 0);
        if (status.ok()) status = session.files.card().MakeDirectory(*on_card);
      }
    }
    if (absl::IsCancelled(status)) return kExitFailure;
    if (!status.ok()) result = Fails(session, "mkdir: cannot create directory", path, status);
  }
  return result;
}

int Fallocate(Session& session, const ParsedOptions& options) {
  const std::string& path = options.arguments[0];
  const uint64_t bytes = ParseSize(options.Value('l'));
  if (bytes == 0) {
    session.Print("fallocate: invalid length: -l takes a number, and K, M, G or T\n");
    return kExitFailure;
  }
  const absl::StatusOr<Target> target = FindTarget(session, path, BaseName(path));
  absl::Status status = target.status();
  if (status.ok() && target->entry.number != 0) status = absl::AlreadyExistsError("File exists");
  if (status.ok()) status = CheckChange(session, 0);
  if (status.ok()) {
    status = MakeFile(session, target->path, bytes, absl::StrCat("fallocate: ", path),
                      [&](uint32_t number, uint64_t offset) {
                        return session.files.card().AppendZeros(
                            number, offset,
                            static_cast<uint32_t>(std::min<uint64_t>(kZerosBytes, bytes - offset)));
                      });
  }
  return status.ok() ? kExitSuccess : Fails(session, "fallocate: cannot make", path, status);
}

absl::Status FillHoles(Session& session, const DiskSpec& disk) {
  FsClient& card = session.files.card();
  const absl::StatusOr<FileEntry> file = card.Stat(disk.file);
  if (!file.ok()) return absl::IsCancelled(file.status()) ? file.status() : absl::OkStatus();
  Progress progress(session, absl::StrCat("writing zeros to ", disk.target));
  for (uint64_t offset = 0; offset < file->bytes;) {
    const absl::StatusOr<uint64_t> next = card.FillHoles(disk.file, offset);
    if (!next.ok()) return next.status();
    if (*next <= offset) return absl::InternalError("fs counts wrongly");
    offset = *next;
    progress.Show(std::min(offset, file->bytes), file->bytes);
  }
  return absl::OkStatus();
}

}  // namespace pyrene::xl
