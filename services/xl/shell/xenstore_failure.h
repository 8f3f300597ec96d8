// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/xl/shell/session.h"

namespace pyrene::xl {

// Prints `message`, which is worded as Debian's xenstore-utils word it; where it is the connection
// that failed, that instead. kExitFailure.
inline int XenstoreFailure(Session& session, absl::string_view command, const absl::Status& status,
                           absl::string_view message) {
  if (absl::IsDeadlineExceeded(status) || absl::IsUnavailable(status) ||
      absl::IsCancelled(status)) {
    return Fail(session, command, status);
  }
  session.Print(message);
  return 1;
}

}  // namespace pyrene::xl
