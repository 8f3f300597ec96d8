// SPDX-License-Identifier: Apache-2.0
//
// What commands work with.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/xl/shell/files.h"
#include "services/xl/shell/terminal.h"
#include "services/xl/shell/toolstack.h"
#include "services/xl/shell/waiter.h"
#include "services/xl/shell/xenstore_client.h"

namespace pyrene::xl {

struct Session {
  Waiter& waiter;
  Terminal& terminal;
  Toolstack& toolstack;
  XenstoreClient& xenstore;
  Files& files;
  bool dry_run = false;  // xl -N

  void Print(absl::string_view text) { terminal.Print(text); }
};

// "WHO: error: why", but nothing after Ctrl-C; kExitFailure.
int Fail(Session& session, absl::string_view who, const absl::Status& status);
// As libxl's errors begin.
inline int LibxlError(Session& session, const absl::Status& status) {
  return Fail(session, "libxl", status);
}

// The guest that an argument, a name or a domid, means. Without one a message was printed.
std::optional<Guest> FindGuest(Session& session, const std::string& argument);

// The same among `guests`; null: none.
const Guest* SelectGuest(const std::vector<Guest>& guests, const std::string& argument);

bool IsDomid(absl::string_view argument);

}  // namespace pyrene::xl
