// SPDX-License-Identifier: Apache-2.0
//
// The xenstore-* commands that only look.
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"
#include "services/xl/shell/xenstore_failure.h"
#include "services/xl/xenstore_format.h"

namespace pyrene::xl {
namespace {

class TerminalPrinter : public XenstorePrinter {
 public:
  explicit TerminalPrinter(Session& session) : session_(session) {}
  void Print(absl::string_view text) override { session_.Print(text); }

 private:
  Session& session_;
};

}  // namespace

int XenstoreLs(Session& session, const ParsedOptions& options) {
  XenstoreLsOptions ls;
  ls.full_paths = options.Has('f');
  ls.permissions = options.Has('p');
  TerminalPrinter printer(session);
  std::vector<std::string> paths = options.arguments;
  if (paths.empty()) paths.emplace_back("/");
  for (const std::string& path : paths) {
    const absl::Status status = ListXenstore(session.xenstore, path, ls, printer);
    if (session.waiter.interrupted()) return kExitFailure;
    if (!status.ok()) {
      session.Print(absl::StrCat("xenstore-ls: ", status.message(), "\n"));
      return kExitFailure;
    }
  }
  return kExitSuccess;
}

int XenstoreList(Session& session, const ParsedOptions& options) {
  for (const std::string& path : options.arguments) {
    const absl::StatusOr<std::vector<std::string>> names = session.xenstore.Directory(path);
    if (!names.ok())
      return XenstoreFailure(session, "xenstore-list", names.status(), MessageCannotListPath(path));
    session.Print(FormatXenstoreList(path, *names, options.Has('p')));
  }
  return kExitSuccess;
}

int XenstoreRead(Session& session, const ParsedOptions& options) {
  XenstoreReadOptions read;
  read.prefix = options.Has('p');
  read.raw = options.Has('R');
  for (const std::string& path : options.arguments) {
    const absl::StatusOr<std::string> value = session.xenstore.Read(path);
    if (!value.ok())
      return XenstoreFailure(session, "xenstore-read", value.status(), MessageCannotReadPath(path));
    session.Print(FormatXenstoreRead(path, *value, read));
  }
  return kExitSuccess;
}

int XenstoreWatch(Session& session, const ParsedOptions& options) {
  uint64_t left = ~uint64_t{0};
  if (options.Has('n') && !absl::SimpleAtoi(options.Value('n'), &left)) {
    session.Print(absl::StrCat("xenstore-watch: '", options.Value('n'), "' is not a number\n"));
    return kExitUsage;
  }
  int result = kExitSuccess;
  for (const std::string& path : options.arguments) {
    const absl::Status status = session.xenstore.Watch(path);
    if (status.ok()) continue;
    result = XenstoreFailure(session, "xenstore-watch", status, MessageCannotWatchPath(path));
    break;
  }
  for (; result == kExitSuccess && left > 0; --left) {
    const absl::StatusOr<std::string> event = session.xenstore.NextEvent(runtime::kNever);
    if (!event.ok()) {
      result = Fail(session, "xenstore-watch", event.status());
      break;
    }
    session.Print(FormatXenstoreWatch(*event));
  }
  session.xenstore.EndWatches();
  return result;
}

}  // namespace pyrene::xl
