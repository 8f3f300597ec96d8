// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/strings/string_view.h"

namespace pyrene::xl {

// No control characters: what configuration files say goes to XenStore, to logs and to the
// terminal.
inline bool IsPlainText(absl::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return true;
}

}  // namespace pyrene::xl
