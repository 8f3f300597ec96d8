// SPDX-License-Identifier: Apache-2.0
//
// `xl create`.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "services/xl/command_table.h"
#include "services/xl/config_syntax.h"
#include "services/xl/list_json.h"
#include "services/xl/messages.h"
#include "services/xl/shell/commands.h"

namespace pyrene::xl {
namespace {

// The file to read, and the key=value arguments.
struct Sources {
  std::string file;
  std::vector<std::string> overrides;
};

Sources FindSources(const ParsedOptions& options) {
  Sources sources;
  sources.file = std::string(options.Value('f'));
  for (const std::string& argument : options.arguments) {
    const bool is_file = sources.file.empty() && sources.overrides.empty() &&
                         argument.find('=') == std::string::npos;
    if (is_file) {
      sources.file = argument;
    } else {
      sources.overrides.push_back(argument);
    }
  }
  return sources;
}

absl::StatusOr<GuestConfig> Parse(const Sources& sources, absl::string_view text,
                                  std::vector<std::string>& warnings) {
  absl::StatusOr<ConfigEntries> entries = ParseConfig(sources.file, text);
  if (!entries.ok()) return entries.status();
  for (const std::string& argument : sources.overrides) {
    absl::Status status = AddConfigOverride(argument, *entries);
    if (!status.ok()) return status;
  }
  return ParseGuestConfig(sources.file, *entries, GuestFeatures{.disks = true}, warnings);
}

// Errors, and warnings, are printed.
std::optional<GuestConfig> ReadConfig(Session& session, const Sources& sources) {
  const absl::StatusOr<std::string> text = session.files.ReadFile(sources.file, kMaxConfigBytes);
  if (!text.ok()) {
    if (!absl::IsCancelled(text.status())) {
      session.Print(
          MessageCannotReadConfig(sources.file, absl::IsNotFound(text.status())
                                                    ? absl::string_view("No such file or directory")
                                                    : text.status().message()));
    }
    return std::nullopt;
  }
  std::vector<std::string> warnings;
  absl::StatusOr<GuestConfig> config = Parse(sources, *text, warnings);
  for (const std::string& warning : warnings) session.Print(absl::StrCat(warning, "\n"));
  if (config.ok()) return *std::move(config);
  session.Print(absl::StrCat(config.status().message(), "\n"));
  return std::nullopt;
}

int PrintConfig(Session& session, const GuestConfig& config) {
  const absl::StatusOr<Machine> machine = session.toolstack.Host();
  if (!machine.ok()) return LibxlError(session, machine.status());
  session.Print(FormatConfigJson(config, static_cast<int>(machine->cpus)));
  return kExitSuccess;
}

int CreateFailed(Session& session, const GuestConfig& config, const absl::Status& status) {
  if (absl::IsAlreadyExists(status)) {
    session.Print(MessageNameInUse(config.name));
    return kExitFailure;
  }
  // The VMM, which looks into the file, does not know its name.
  absl::string_view what = status.message();
  if (absl::ConsumePrefix(&what, "kernel "))
    return LibxlError(
        session, absl::Status(status.code(), absl::StrCat("kernel ", config.kernel, " ", what)));
  return LibxlError(session, status);
}

// The console is attached before the guest's first instruction, so nothing is missed.
int RunAtConsole(Session& session, uint16_t domid, bool paused) {
  const absl::Status attached = session.terminal.Attach(domid);
  if (!attached.ok()) {
    LibxlError(session, attached);
    session.Print(MessageCannotAttachConsole());
  }
  if (!paused) {
    const absl::Status status = session.toolstack.Unpause(domid);
    if (!status.ok()) {
      if (attached.ok()) session.terminal.Detach();
      return LibxlError(session, status);
    }
  }
  if (!attached.ok()) return kExitFailure;
  session.terminal.WaitForLine();
  session.Print("\n");
  return kExitSuccess;
}

}  // namespace

absl::Status WaitUntilGone(Session& session, uint32_t domid) {
  bool look = true;
  session.toolstack.SetListener([&look](const GuestEvent&) { look = true; });
  absl::Status status;
  while (status.ok()) {
    look = false;
    const absl::StatusOr<std::vector<Guest>> guests = session.toolstack.Guests();
    status = guests.status();
    if (!status.ok() || SelectGuest(*guests, absl::StrCat(domid)) == nullptr) break;
    // Events tell at once; the list is the truth.
    status =
        session.waiter.Until([&look] { return look; }, runtime::MonotonicNow() + runtime::kSecond);
    if (absl::IsDeadlineExceeded(status)) status = absl::OkStatus();
  }
  session.toolstack.SetListener(nullptr);
  return status;
}

int XlCreate(Session& session, const ParsedOptions& options) {
  const Sources sources = FindSources(options);
  if (sources.file.empty()) {
    session.Print(MessageNoConfigFile());
    return kExitFailure;
  }
  if (!options.Has('q')) session.Print(MessageParsingConfig(sources.file));
  std::optional<GuestConfig> config = ReadConfig(session, sources);
  if (!config.has_value()) return kExitFailure;
  if (config->uuid.empty()) config->uuid = RandomUuid();
  const bool dry_run = session.dry_run || options.Has('n');
  if (dry_run || options.Has('d')) {
    if (const int status = PrintConfig(session, *config); status != kExitSuccess || dry_run)
      return status;
  }
  if (const absl::Status status = ResolveDisks(session, absl::MakeSpan(config->disks));
      !status.ok())
    return LibxlError(session, status);
  const bool paused = options.Has('p');
  const bool console = options.Has('c');
  const absl::StatusOr<uint16_t> domid =
      session.toolstack.Create(*config, sources.file, paused || console);
  if (!domid.ok()) return CreateFailed(session, *config, domid.status());
  int status = console ? RunAtConsole(session, *domid, paused) : kExitSuccess;
  if (options.Has('F')) {
    const absl::Status gone = WaitUntilGone(session, *domid);
    if (!gone.ok()) status = LibxlError(session, gone);
  }
  return status;
}

}  // namespace pyrene::xl
