// SPDX-License-Identifier: Apache-2.0
#include "services/fs/client/card_path.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pyrene::fs {

std::optional<std::string> PathOnCard(absl::string_view path) {
  while (absl::ConsumePrefix(&path, "/") || absl::ConsumePrefix(&path, "./")) {
  }
  if (!absl::ConsumePrefix(&path, kCardFolder) || (!path.empty() && path[0] != '/'))
    return std::nullopt;
  while (absl::ConsumePrefix(&path, "/")) {
  }
  return absl::StrCat("/", path);
}

}  // namespace pyrene::fs
