// SPDX-License-Identifier: Apache-2.0
// A node of XenStore as the toolstack writes it and as xenstore-ls shows it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pyrene::xl {

// The first permission of a list names the node's owner, who may do everything, and with its letter
// what anybody not named after it may do.  Letters: n nothing, r read, w write, b both.
struct XenstorePermission {
  char access = 'n';
  uint32_t domid = 0;

  bool operator==(const XenstorePermission&) const = default;
};
using XenstorePermissions = std::vector<XenstorePermission>;

struct XenstoreNode {
  std::string path;
  std::string value;
  XenstorePermissions permissions;
};

std::string FormatPermission(const XenstorePermission& permission);     // "r5"
std::string FormatPermissions(const XenstorePermissions& permissions);  // "n0,r5"
std::optional<XenstorePermission> ParsePermission(
    absl::string_view text);  // the inverse; domids up to 65535

}  // namespace pyrene::xl
