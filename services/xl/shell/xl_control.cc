// SPDX-License-Identifier: Apache-2.0
//
// xl's commands that do something to one guest.
#include <string>

#include "absl/strings/str_cat.h"
#include "services/xl/guest_config.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"
#include "services/xl/xenstore_tree.h"

namespace pyrene::xl {
namespace {

uint16_t DomidOf(const Guest& guest) { return static_cast<uint16_t>(guest.info.domid); }

// What comes after it has found its guest, and may fail.
int Apply(Session& session, const ParsedOptions& options,
          absl::Status (Toolstack::*operation)(uint16_t)) {
  const std::optional<Guest> guest = FindGuest(session, options.arguments[0]);
  if (!guest.has_value()) return kExitFailure;
  const absl::Status status = (session.toolstack.*operation)(DomidOf(*guest));
  return status.ok() ? kExitSuccess : LibxlError(session, status);
}

}  // namespace

int XlPause(Session& session, const ParsedOptions& options) {
  return Apply(session, options, &Toolstack::Pause);
}

int XlUnpause(Session& session, const ParsedOptions& options) {
  return Apply(session, options, &Toolstack::Unpause);
}

int XlDestroy(Session& session, const ParsedOptions& options) {
  const std::optional<Guest> guest = FindGuest(session, options.arguments[0]);
  if (!guest.has_value()) return kExitFailure;
  const absl::Status status = session.toolstack.Destroy(DomidOf(*guest));
  // It went by itself meanwhile: that is what was wanted.
  if (status.ok() || absl::IsNotFound(status)) return kExitSuccess;
  LibxlError(session, status);
  if (!absl::IsCancelled(status)) session.Print(MessageDestroyFailed(kErrorFail));
  return kExitFailure;
}

int XlConsole(Session& session, const ParsedOptions& options) {
  if (options.Has('t') && options.Value('t') != "pv") {
    session.Print(MessageConsoleTypes());
    return kExitFailure;
  }
  if (options.Has('n') && options.Value('n') != "0") {
    session.Print("a guest has console 0 only\n");
    return kExitFailure;
  }
  if (options.Has('e') && options.Value('e') != "^]") {
    session.Print("only ^] detaches from a console\n");
    return kExitFailure;
  }
  const std::optional<Guest> guest = FindGuest(session, options.arguments[0]);
  if (!guest.has_value()) return kExitFailure;
  const absl::Status attached = session.terminal.Attach(DomidOf(*guest));
  if (!attached.ok()) {
    LibxlError(session, attached);
    session.Print(MessageCannotAttachConsole());
    return kExitFailure;
  }
  session.terminal.WaitForLine();
  // Wherever the guest's output has left the cursor.
  session.Print("\n");
  return kExitSuccess;
}

int XlRename(Session& session, const ParsedOptions& options) {
  const std::string& name = options.arguments[1];
  if (name.size() > kMaxNameBytes || !IsValidGuestName(name)) {
    session.Print(absl::StrCat("libxl: error: '", name, "' is not a valid name for a guest\n"));
    return kExitFailure;
  }
  const std::optional<Guest> guest = FindGuest(session, options.arguments[0]);
  if (!guest.has_value()) return kExitFailure;
  absl::Status status = session.toolstack.Rename(DomidOf(*guest), name);
  if (absl::IsAlreadyExists(status)) {
    session.Print(MessageNameInUse(name));
    return kExitFailure;
  }
  if (status.ok()) {
    status = session.xenstore.Transaction([&] {
      absl::Status written =
          session.xenstore.Write(absl::StrCat(GuestHome(guest->info.domid), "/name"), name);
      if (!written.ok()) return written;
      return session.xenstore.Write(absl::StrCat("/vm/", guest->info.uuid, "/name"), name);
    });
  }
  return status.ok() ? kExitSuccess : LibxlError(session, status);
}

}  // namespace pyrene::xl
