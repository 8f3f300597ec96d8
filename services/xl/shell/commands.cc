// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/commands.h"

#include "absl/strings/str_cat.h"
#include "services/xl/command_table.h"
#include "services/xl/messages.h"

namespace pyrene::xl {
namespace {

struct Entry {
  absl::string_view name;
  CommandFunction function;
};

constexpr Entry kXlFunctions[] = {
    {"create", XlCreate},
    {"list", XlList},
    {"destroy", XlDestroy},
    {"shutdown", XlShutdown},
    {"reboot", XlReboot},
    {"pause", XlPause},
    {"unpause", XlUnpause},
    {"console", XlConsole},
    {"vcpu-list", XlVcpuList},
    {"vm-list", XlVmList},
    {"info", XlInfo},
    {"dmesg", XlDmesg},
    {"uptime", XlUptime},
    {"domid", XlDomid},
    {"domname", XlDomname},
    {"rename", XlRename},
    {"vcpu-set", XlVcpuSet},
    {"vcpu-pin", XlVcpuPin},
    {"sched-credit2", XlSchedCredit2},
    {"block-attach", XlBlockAttach},
    {"block-detach", XlBlockDetach},
    {"block-list", XlBlockList},
    {"help", XlHelpCommand},
};

constexpr Entry kShellFunctions[] = {
    {"help", Help},
    {"xenstore-ls", XenstoreLs},
    {"xenstore-list", XenstoreList},
    {"xenstore-read", XenstoreRead},
    {"xenstore-write", XenstoreWrite},
    {"xenstore-rm", XenstoreRm},
    {"xenstore-watch", XenstoreWatch},
    {"xenstore-chmod", XenstoreChmod},
    {"ps", Ps},
    {"kill", Kill},
    {"repair", Repair},
    {"ls", Ls},
    {"cat", Cat},
    {"cp", Cp},
    {"mv", Mv},
    {"rm", Rm},
    {"mkdir", Mkdir},
    {"rmdir", Rmdir},
    {"fallocate", Fallocate},
    {"df", Df},
    {"losetup", Losetup},
    {"date", Date},
    {"echo", Echo},
    {"reboot", Reboot},
    {"poweroff", Poweroff},
};

CommandFunction Find(absl::Span<const Entry> entries, absl::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return entry.function;
  }
  return nullptr;
}

int Run(Session& session, const CommandTable& table, absl::Span<const std::string> words,
        CommandFunction function) {
  const CommandSpec& command = *FindCommand(table, words[0]);
  const absl::StatusOr<ParsedOptions> options = ParseArguments(table, command, words.subspan(1));
  if (!options.ok()) {
    session.Print(absl::StrCat(options.status().message()));
    return kExitUsage;
  }
  if (options->help) {
    session.Print(CommandHelp(table, command));
    return kExitSuccess;
  }
  return function(session, *options);
}

int RunXl(Session& session, absl::Span<const std::string> words) {
  const absl::StatusOr<ParsedOptions> options =
      ParseOptions(words.subspan(1), XlGlobalOptions(), /*stop_at_argument=*/true);
  if (!options.ok()) {
    session.Print(MessageUnknownGlobalOption());
    return kExitUsage;
  }
  if (options->help || options->arguments.empty()) {
    session.Print(XlHelp());
    return options->help ? kExitSuccess : kExitFailure;
  }
  const absl::string_view name = options->arguments[0];
  const CommandFunction function = FindXlFunction(name);
  if (function == nullptr || FindCommand(XlCommands(), name) == nullptr) {
    session.Print(MessageNoSuchCommand());
    return kExitFailure;
  }
  session.dry_run = options->Has('N');
  if (session.dry_run && name != "create") {
    session.Print(MessageNoDryRun());
    return kExitFailure;
  }
  return Run(session, XlCommands(), options->arguments, function);
}

}  // namespace

CommandFunction FindXlFunction(absl::string_view name) { return Find(kXlFunctions, name); }

CommandFunction FindShellFunction(absl::string_view name) { return Find(kShellFunctions, name); }

int RunCommand(Session& session, absl::Span<const std::string> words) {
  if (words[0] == "xl") return RunXl(session, words);
  const CommandFunction function = FindShellFunction(words[0]);
  if (function == nullptr || FindCommand(ShellCommands(), words[0]) == nullptr) {
    session.Print(absl::StrCat(words[0], ": command not found; 'help' lists the commands\n"));
    return 127;
  }
  return Run(session, ShellCommands(), words, function);
}

int Help(Session& session, const ParsedOptions& options) {
  const auto& words = options.arguments;
  if (words.empty()) {
    session.Print(ShellHelp());
    return kExitSuccess;
  }
  session.Print(ShellHelpFor(words[0], words.size() > 1 ? words[1] : ""));
  const bool known = words[0] == "xl"
                         ? words.size() < 2 || FindCommand(XlCommands(), words[1]) != nullptr
                         : FindCommand(ShellCommands(), words[0]) != nullptr;
  return known ? kExitSuccess : kExitFailure;
}

int XlHelpCommand(Session& session, const ParsedOptions& options) {
  if (options.arguments.empty()) {
    session.Print(XlHelp());
    return kExitSuccess;
  }
  session.Print(XlHelpFor(options.arguments[0]));
  return FindCommand(XlCommands(), options.arguments[0]) != nullptr ? kExitSuccess : kExitFailure;
}

}  // namespace pyrene::xl
