// SPDX-License-Identifier: Apache-2.0
#include "services/init/bundle_files.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernel/abi/bundle.h"

namespace pyrene::init {
namespace {

absl::string_view Normalized(absl::string_view path) {
  while (absl::ConsumePrefix(&path, "/") || absl::ConsumePrefix(&path, "./")) {
  }
  while (absl::ConsumeSuffix(&path, "/")) {
  }
  return path == "." ? absl::string_view() : path;
}

}  // namespace

absl::Status BundleFiles::Read(absl::string_view bundle) {
  BundleReader reader(bundle.data(), bundle.size());
  BundleFile file;
  for (;;) {
    switch (reader.Next(file)) {
      case BundleReader::Result::kEnd:
        return absl::OkStatus();
      case BundleReader::Result::kCorrupt:
        return absl::InvalidArgumentError("the boot bundle is not a cpio archive, or is cut off");
      case BundleReader::Result::kFile:
        if (files_.size() == kMaxFiles) {
          return absl::OutOfRangeError(
              absl::StrCat("the boot bundle has more than ", kMaxFiles, " files"));
        }
        files_.emplace(Normalized(file.name), absl::string_view(file.data, file.bytes));
        break;
    }
  }
}

absl::StatusOr<absl::string_view> BundleFiles::Find(absl::string_view path) const {
  const auto found = files_.find(Normalized(path));
  if (found == files_.end())
    return absl::NotFoundError(absl::StrCat("no file ", path, " in the boot bundle"));
  return found->second;
}

void BundleFiles::Forget(absl::string_view path) {
  const auto found = files_.find(Normalized(path));
  if (found != files_.end()) files_.erase(found);
}

absl::StatusOr<std::vector<BundleFiles::Entry>> BundleFiles::List(absl::string_view directory,
                                                                  absl::string_view after,
                                                                  size_t most) const {
  const absl::string_view folder = Normalized(directory);
  const std::string prefix = folder.empty() ? "" : absl::StrCat(folder, "/");
  // By name: a directory's files are not neighbours of the directory itself ("a-b" lies before
  // "a/b").
  std::map<std::string, Entry> found;
  bool exists = prefix.empty();
  for (auto file = files_.lower_bound(prefix); file != files_.end(); ++file) {
    absl::string_view name = file->first;
    if (!absl::ConsumePrefix(&name, prefix)) break;
    exists = true;
    const size_t slash = name.find('/');
    const bool is_directory = slash != absl::string_view::npos;
    const std::string key(name.substr(0, slash));
    if (!key.empty())
      found.emplace(key, Entry{key, is_directory ? 0 : file->second.size(), is_directory});
  }
  if (!exists)
    return absl::NotFoundError(absl::StrCat("no directory ", directory, " in the boot bundle"));
  std::vector<Entry> entries;
  for (auto entry = found.upper_bound(std::string(after));
       entry != found.end() && entries.size() < most; ++entry) {
    entries.push_back(entry->second);
  }
  return entries;
}

}  // namespace pyrene::init
