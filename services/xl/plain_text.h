// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

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

// With a question mark for each of them: names of files on a disk.
inline std::string Printable(absl::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (!IsPlainText({&c, 1})) c = '?';
  }
  return result;
}

}  // namespace pyrene::xl
