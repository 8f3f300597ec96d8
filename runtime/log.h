// SPDX-License-Identifier: Apache-2.0
//
// The log: one line per call to descriptor 2, in one write, so that lines of several threads do not
// mix. On Pyrene that is the service's log ring (runtime/log_ring.h), which console shows in `xl
// dmesg`; on the host it is the terminal.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace pyrene::runtime {

enum class Severity : char { kInfo = 'I', kWarning = 'W', kError = 'E' };

// "I name: text". Control characters in `text`, which a guest may have chosen, become '?'; it is
// cut at 480 bytes.
void LogLine(Severity severity, absl::string_view text);

template <typename... Parts>
void LogInfo(const Parts&... parts) {
  LogLine(Severity::kInfo, absl::StrCat(parts...));
}

template <typename... Parts>
void LogWarning(const Parts&... parts) {
  LogLine(Severity::kWarning, absl::StrCat(parts...));
}

template <typename... Parts>
void LogError(const Parts&... parts) {
  LogLine(Severity::kError, absl::StrCat(parts...));
}

}  // namespace pyrene::runtime
