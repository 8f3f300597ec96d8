// SPDX-License-Identifier: Apache-2.0
//
// The boot bundle's files by name. Paths may begin with "/" or "./"; directories are what names
// before a "/" imply.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pyrene::init {

class BundleFiles {
 public:
  static constexpr size_t kMaxFiles = 1024;

  // `bundle` stays the caller's and must stay readable. InvalidArgument: no archive, or cut off;
  // OutOfRange: more than kMaxFiles.
  absl::Status Read(absl::string_view bundle);

  // NotFound names the path.
  absl::StatusOr<absl::string_view> Find(absl::string_view path) const;

  // It is not found any more.
  void Forget(absl::string_view path);

  struct Entry {
    std::string name;  // without a slash
    uint64_t bytes = 0;
    bool is_directory = false;
  };
  // Up to `most` entries of a directory ("" is the root) behind the one called `after` ("": from
  // the beginning), by name. NotFound: there is no such directory.
  absl::StatusOr<std::vector<Entry>> List(absl::string_view directory, absl::string_view after,
                                          size_t most) const;

 private:
  std::map<std::string, absl::string_view, std::less<>> files_;
};

}  // namespace pyrene::init
