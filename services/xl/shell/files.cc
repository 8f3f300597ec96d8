// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/files.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/fs/client/card_path.h"

namespace pyrene::xl {
namespace {

bool IsRoot(const std::string& path) { return path.find_first_not_of("./") == std::string::npos; }

}  // namespace

absl::StatusOr<std::vector<FileEntry>> Files::List(const std::string& directory) {
  if (const auto path = fs::PathOnCard(directory); path.has_value()) return card_.List(*path);
  absl::StatusOr<std::vector<FileEntry>> files = bundle_.Files(directory);
  if (!files.ok() || !IsRoot(directory)) return files;
  // As /sd: there, or the error says why not.
  const FileEntry card{fs::kCardFolder, 0, true};
  const auto place =
      std::lower_bound(files->begin(), files->end(), card,
                       [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
  files->insert(place, card);
  return files;
}

absl::StatusOr<FileEntry> Files::Stat(const std::string& path) {
  if (const auto on_card = fs::PathOnCard(path); on_card.has_value()) {
    absl::StatusOr<FileEntry> entry = card_.Stat(*on_card);
    if (entry.ok()) entry->name = path;
    return entry;
  }
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  absl::StatusOr<std::vector<FileEntry>> files = bundle_.Files(directory);
  if (!files.ok()) return files.status();
  for (const FileEntry& file : *files) {
    if (file.name == name) return FileEntry{path, file.bytes, file.is_directory};
  }
  return absl::NotFoundError("");
}

absl::StatusOr<Toolstack::FilePart> Files::ReadPart(const std::string& path, uint64_t offset) {
  if (const auto on_card = fs::PathOnCard(path); on_card.has_value())
    return card_.ReadPart(*on_card, offset);
  return bundle_.ReadPart(path, offset);
}

absl::StatusOr<std::string> Files::ReadFile(const std::string& path, size_t max) {
  std::string text;
  for (;;) {
    absl::StatusOr<Toolstack::FilePart> part = ReadPart(path, text.size());
    if (!part.ok()) return part.status();
    if (part->data.empty()) return text;
    if (part->file_bytes > max || text.size() + part->data.size() > max)
      return absl::OutOfRangeError(absl::StrCat("larger than ", max, " bytes"));
    text += part->data;
  }
}

}  // namespace pyrene::xl
