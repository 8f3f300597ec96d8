// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/shell.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/xl/command_line.h"
#include "services/xl/messages.h"
#include "services/xl/plain_text.h"
#include "services/xl/shell/commands.h"

namespace pyrene::xl {
namespace {

// What a key may cost: nobody waits for Tab.
constexpr uint64_t kCompletionTime = 2 * runtime::kSecond;
constexpr int kExitInterrupted = 130;  // as other shells have it

// What stands before the last slash, with it; and is the directory that names are looked up in.
absl::string_view DirectoryOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? "" : path.substr(0, slash + 1);
}

std::vector<std::string> GuestNames(Session& session) {
  std::vector<std::string> names;
  const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
  if (!guests.ok()) return names;
  for (const Guest& guest : *guests) names.push_back(guest.info.name);
  return names;
}

std::vector<std::string> ServiceNames(Session& session) {
  std::vector<std::string> names;
  const absl::StatusOr<std::vector<ServiceInfo>> services = session.toolstack.Services(false);
  if (!services.ok()) return names;
  for (const ServiceInfo& service : *services) names.push_back(service.name);
  return names;
}

std::vector<std::string> FileNames(Session& session, absl::string_view typed) {
  std::vector<std::string> names;
  const absl::string_view directory = DirectoryOf(typed);
  const absl::StatusOr<std::vector<FileEntry>> files = session.files.List(std::string(directory));
  if (!files.ok()) return names;
  for (const FileEntry& file : *files) {
    if (!IsPlainText(file.name)) continue;  // nobody can type them
    names.push_back(absl::StrCat(directory, file.name, file.is_directory ? "/" : ""));
  }
  return names;
}

std::vector<std::string> XenstorePaths(Session& session, absl::string_view typed) {
  std::vector<std::string> names;
  const absl::string_view parent = DirectoryOf(typed);
  if (parent.empty()) return {"/"};
  const std::string path(parent.size() > 1 ? parent.substr(0, parent.size() - 1) : parent);
  const absl::StatusOr<std::vector<std::string>> children = session.xenstore.Directory(path);
  if (!children.ok()) return names;
  for (const std::string& child : *children) names.push_back(absl::StrCat(parent, child));
  return names;
}

}  // namespace

Shell::Shell(Session& session)
    : session_(session),
      sources_{[&session] { return GuestNames(session); },
               [&session] { return ServiceNames(session); },
               [&session](absl::string_view typed) { return FileNames(session, typed); },
               [&session](absl::string_view typed) { return XenstorePaths(session, typed); }},
      editor_(kPrompt, [this](absl::string_view line) { return Complete(line); }) {}

Completion Shell::Complete(absl::string_view line) {
  const Waiter::Limit limit(session_.waiter, runtime::MonotonicNow() + kCompletionTime);
  return CompleteCommandLine(line, sources_);
}

void Shell::Run(uint32_t generation) {
  // A guest may have had the line when this service's former life ended.
  session_.terminal.WaitForLine();
  if (generation > 1) session_.Print("\n");
  while (!session_.waiter.stopped()) {
    const std::optional<std::string> line = ReadLine();
    if (line.has_value()) RunLine(*line);
  }
}

std::optional<std::string> Shell::ReadLine() {
  Terminal& terminal = session_.terminal;
  session_.waiter.ClearInterrupt();
  if (!terminal.at_line_start()) session_.Print("\n");
  session_.Print(editor_.Resume());
  for (;;) {
    const absl::Status status = session_.waiter.Until([&] { return terminal.HasInput(); },
                                                      runtime::kNever, Waiter::CtrlC::kIsHeld);
    if (!status.ok()) return std::nullopt;
    const LineEditor::Result result = editor_.Feed(terminal.TakeByte());
    if (!result.output.empty()) session_.Print(result.output);
    if (result.line.has_value()) return result.line;
    if (result.interrupted) status_ = kExitInterrupted;
    // There is nowhere to log out to.
    if (result.interrupted || result.end_of_input) session_.Print(editor_.Resume());
  }
}

void Shell::RunLine(absl::string_view line) {
  const absl::StatusOr<std::vector<Command>> commands = ParseCommandLine(line);
  if (!commands.ok()) {
    session_.Print(absl::StrCat(commands.status().message(), "\n"));
    status_ = kExitUsage;
    return;
  }
  session_.terminal.SetBusy(true);
  for (const Command& command : *commands) {
    if (session_.waiter.stopped() || session_.waiter.interrupted()) break;
    session_.dry_run = false;
    status_ = RunCommand(session_, ExpandCommand(command, status_));
  }
  session_.terminal.SetBusy(false);
  if (!session_.waiter.interrupted()) return;
  session_.waiter.ClearInterrupt();
  session_.Print("^C\n");
  status_ = kExitInterrupted;
}

}  // namespace pyrene::xl
