// SPDX-License-Identifier: Apache-2.0
// Output of `xl info`, laid out as Xen 4.17 does.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "services/xl/domain_info.h"

namespace pyrene::xl {

struct InfoOptions {
  bool numa = false;      // -n: CPU topology and memory of the nodes
  bool xenstore = false;  // -x: features of XenStore
  // `xl info KEY`: only the values of keys that begin with KEY; has no effect beside numa.
  absl::string_view key;
};

std::string FormatInfo(const HostInfo& host, const InfoOptions& options);

}  // namespace pyrene::xl
