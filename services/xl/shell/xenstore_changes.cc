// SPDX-License-Identifier: Apache-2.0
//
// The xenstore-* commands that change something: each one transaction.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/xl/command_table.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"
#include "services/xl/shell/xenstore_failure.h"
#include "services/xl/xenstore_format.h"

namespace pyrene::xl {
namespace {

// "": of the root, and of what is directly below it in relative form.
std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || path.size() == 1) return "";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string Join(const std::string& path, const std::string& name) {
  return absl::StrCat(path == "/" ? "" : path, "/", name);
}

// Which path could not be changed.
struct Blame {
  std::string path;
};

// Parents that have neither children nor a value.
absl::Status RemoveEmptyParents(XenstoreClient& store, const std::string& path) {
  for (std::string parent = ParentOf(path); parent.size() > 1; parent = ParentOf(parent)) {
    const absl::StatusOr<std::vector<std::string>> children = store.Directory(parent);
    if (!children.ok()) return children.status();
    const absl::StatusOr<std::string> value = store.Read(parent);
    if (!value.ok()) return value.status();
    if (!children->empty() || !value->empty()) break;
    if (absl::Status status = store.Remove(parent); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ChangePermissions(XenstoreClient& store, const std::string& top,
                               const XenstorePermissions& permissions, bool parents, bool children,
                               Blame& blame) {
  // Not by recursion: a path may be a thousand levels deep.
  std::vector<std::string> paths = {top};
  while (!paths.empty()) {
    blame.path = std::move(paths.back());
    paths.pop_back();
    absl::Status status = store.SetPermissions(blame.path, permissions);
    if (!status.ok()) return status;
    if (!children) continue;
    const absl::StatusOr<std::vector<std::string>> names = store.Directory(blame.path);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) paths.push_back(Join(blame.path, name));
  }
  for (std::string parent = ParentOf(top); parents && !parent.empty(); parent = ParentOf(parent)) {
    blame.path = parent;
    absl::Status status = store.SetPermissions(parent, permissions);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

int XenstoreWrite(Session& session, const ParsedOptions& options) {
  const std::vector<std::string>& words = options.arguments;
  if (words.size() % 2 != 0) {
    session.Print(CommandHelp(ShellCommands(), *FindCommand(ShellCommands(), "xenstore-write")));
    return kExitUsage;
  }
  Blame blame;
  const absl::Status status = session.xenstore.Transaction([&] {
    for (size_t i = 0; i < words.size(); i += 2) {
      blame.path = words[i];
      const std::string value =
          options.Has('R') ? words[i + 1] : UnquoteXenstoreValue(words[i + 1]);
      absl::Status written = session.xenstore.Write(words[i], value);
      if (!written.ok()) return written;
    }
    return absl::OkStatus();
  });
  if (status.ok()) return kExitSuccess;
  return XenstoreFailure(session, "xenstore-write", status, MessageCannotWritePath(blame.path));
}

int XenstoreRm(Session& session, const ParsedOptions& options) {
  Blame blame;
  const absl::Status status = session.xenstore.Transaction([&] {
    for (const std::string& path : options.arguments) {
      blame.path = path;
      absl::Status removed = session.xenstore.Remove(path);
      if (removed.ok() && options.Has('t')) removed = RemoveEmptyParents(session.xenstore, path);
      if (!removed.ok()) return removed;
    }
    return absl::OkStatus();
  });
  if (status.ok()) return kExitSuccess;
  return XenstoreFailure(session, "xenstore-rm", status, MessageCannotRemovePath(blame.path));
}

int XenstoreChmod(Session& session, const ParsedOptions& options) {
  XenstorePermissions permissions;
  for (size_t i = 1; i < options.arguments.size(); ++i) {
    const std::string& text = options.arguments[i];
    const std::optional<XenstorePermission> permission = ParsePermission(text);
    if (!permission.has_value()) {
      session.Print(MessageInvalidPermission(text.empty() ? ' ' : text[0]));
      return kExitFailure;
    }
    permissions.push_back(*permission);
  }
  Blame blame;
  const absl::Status status = session.xenstore.Transaction([&] {
    return ChangePermissions(session.xenstore, options.arguments[0], permissions, options.Has('u'),
                             options.Has('r'), blame);
  });
  if (status.ok()) return kExitSuccess;
  return XenstoreFailure(session, "xenstore-chmod", status,
                         MessageCannotChmodPath(blame.path, status));
}

}  // namespace pyrene::xl
