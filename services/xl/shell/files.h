// SPDX-License-Identifier: Apache-2.0
//
// All files that commands see: those of the boot bundle, from init, and below /sd those of the
// disk, from fs. Errors as in toolstack.h and fs_client.h.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/xl/shell/fs_client.h"
#include "services/xl/shell/toolstack.h"

namespace pyrene::xl {

class Files {
 public:
  Files(Toolstack& bundle, FsClient& card) : bundle_(bundle), card_(card) {}

  // Of a directory, by name. NotFound, FailedPrecondition: no directory.
  absl::StatusOr<std::vector<FileEntry>> List(const std::string& directory);
  // A file or directory, under the name `path`.
  absl::StatusOr<FileEntry> Stat(const std::string& path);
  absl::StatusOr<Toolstack::FilePart> ReadPart(const std::string& path, uint64_t offset);
  // A whole file; OutOfRange if it is larger than `max`.
  absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max);
  FsClient& card() { return card_; }
  absl::StatusOr<FsClient::DiskUsage> Usage() { return card_.Usage(); }

 private:
  Toolstack& bundle_;
  FsClient& card_;
};

}  // namespace pyrene::xl
