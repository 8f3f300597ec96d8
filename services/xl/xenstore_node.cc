// SPDX-License-Identifier: Apache-2.0
#include "services/xl/xenstore_node.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pyrene::xl {

std::string FormatPermission(const XenstorePermission& permission) {
  return absl::StrCat(absl::string_view(&permission.access, 1), permission.domid);
}

std::string FormatPermissions(const XenstorePermissions& permissions) {
  std::string text;
  for (const XenstorePermission& permission : permissions) {
    absl::StrAppend(&text, text.empty() ? "" : ",", FormatPermission(permission));
  }
  return text;
}

std::optional<XenstorePermission> ParsePermission(absl::string_view text) {
  constexpr absl::string_view kLetters = "nrwb";
  XenstorePermission permission;
  if (text.size() < 2 || kLetters.find(text[0]) == absl::string_view::npos ||
      !absl::ascii_isdigit(text[1])) {
    return std::nullopt;
  }
  if (!absl::SimpleAtoi(text.substr(1), &permission.domid) || permission.domid > 0xffff)
    return std::nullopt;
  permission.access = text[0];
  return permission;
}

}  // namespace pyrene::xl
