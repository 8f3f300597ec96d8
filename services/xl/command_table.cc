// SPDX-License-Identifier: Apache-2.0
#include "services/xl/command_table.h"

#include "absl/strings/str_cat.h"

namespace pyrene::xl {
namespace {

constexpr OptionSpec kGlobalOptions[] = {
    {'v', "", "", "Say more."},
    {'N', "", "", "Do not change anything (create)."},
    {'f', "", "", "No effect: there is no lock to force."},
    {'t', "", "", "No effect: there is no progress to show."},
    {'T', "", "", "No effect: messages carry no time."},
};

constexpr OptionSpec kCreateOptions[] = {
    {'c', "", "", "Attach to the guest's console before it starts."},
    {'p', "", "", "Leave the guest paused."},
    {'f', "defconfig", "FILE", "Read the configuration from FILE."},
    {'q', "quiet", "", "Print no progress."},
    {'n', "dryrun", "", "Check the configuration and print it, but create nothing."},
    {'d', "", "", "Print the configuration, then create the guest."},
    {'e', "", "", "No effect: guests are restarted by their own VMM."},
    {'F', "", "", "Wait until the guest is gone."},
    {kOptionIgnoreAffinityMasks, "ignore-global-affinity-masks", "",
     "No effect: there are no such masks."},
};
constexpr OptionSpec kListOptions[] = {
    {'l', "long", "", "The guests' configurations as JSON."},
    {'v', "verbose", "", "UUIDs, reasons of shutdown and security labels as well."},
    {'Z', "context", "", "Security labels as well."},
    {'c', "cpupool", "", "CPU pools as well."},
    {'n', "numa", "", "NUMA node affinity as well."},
};
constexpr OptionSpec kInfoOptions[] = {
    {'n', "numa", "", "Topology of CPUs and memory as well."},
    {'x', "xenstore", "", "Features of XenStore as well."},
};
constexpr OptionSpec kConsoleOptions[] = {
    {'t', "", "TYPE", "Type of console: pv."},
    {'n', "", "NUMBER", "Number of the console: 0."},
    {'e', "", "ESCAPE", "Character that detaches, such as ^]."},
};
constexpr OptionSpec kDestroyOptions[] = {
    {'f', "", "", "No effect: there is no domain 0 to protect."}};
constexpr OptionSpec kShutdownOptions[] = {
    {'a', "all", "", "All guests."},
    {'w', "wait", "", "Wait until the guests have shut down; twice: until they are gone."},
    {'F', "", "", "No effect: guests have no ACPI buttons."},
};
constexpr OptionSpec kDmesgOptions[] = {{'c', "clear", "", "Clear the log after printing it."}};
constexpr OptionSpec kUptimeOptions[] = {
    {'s', "short", "", "One line for each guest, with the time of day."}};

constexpr OptionSpec kBlockDetachOptions[] = {
    {kOptionForce, "force", "", "Do not wait for the guest to let go of the disk."}};

constexpr OptionSpec kVcpuSetOptions[] = {
    {kOptionIgnoreHost, "ignore-host", "", "Also more than the machine has CPUs."}};
constexpr OptionSpec kVcpuPinOptions[] = {
    {'f', "force", "", "No effect: no pinning is temporary."}};
constexpr OptionSpec kSchedOptions[] = {
    {'d', "domain", "DOMAIN", "The guest; without, all are listed."},
    {'w', "weight", "WEIGHT", "Its share of a CPU that it has not alone, 1 to 65535."},
    {'c', "cap", "CAP", "Percent of one CPU for all its vCPUs together; 0: no limit."},
    {'p', "cpupool", "CPUPOOL", "No effect: there is one pool."},
};

constexpr CommandSpec kXlCommands[] = {
    {"create", "<ConfigFile> [options] [key=value ...]", "Create a guest and start it",
     kCreateOptions, 0, kManyArguments, ArgumentKind::kFile},
    {"list", "[options] [Domain]", "List guests", kListOptions, 0, 1, ArgumentKind::kDomain},
    {"destroy", "[options] <Domain>", "End a guest at once", kDestroyOptions, 1, 1,
     ArgumentKind::kDomain},
    {"shutdown", "[options] <-a|Domain>", "Ask a guest to power off", kShutdownOptions, 0, 1,
     ArgumentKind::kDomain},
    {"reboot", "[options] <-a|Domain>", "Ask a guest to reboot", kShutdownOptions, 0, 1,
     ArgumentKind::kDomain},
    {"pause", "<Domain>", "Stop a guest's vCPUs", {}, 1, 1, ArgumentKind::kDomain},
    {"unpause", "<Domain>", "Let a paused guest run", {}, 1, 1, ArgumentKind::kDomain},
    {"console", "[options] <Domain>", "Attach to a guest's console; Ctrl-] detaches",
     kConsoleOptions, 1, 1, ArgumentKind::kDomain},
    {"vcpu-list",
     "[Domain ...]",
     "List guests' vCPUs",
     {},
     0,
     kManyArguments,
     ArgumentKind::kDomain},
    {"vm-list", "", "List guests by UUID", {}, 0, 0, ArgumentKind::kNone},
    {"info", "[options] [key]", "Describe the machine and Pyrene", kInfoOptions, 0, 1,
     ArgumentKind::kNone},
    {"dmesg", "[-c]", "Print Pyrene's log", kDmesgOptions, 0, 0, ArgumentKind::kNone},
    {"uptime", "[-s] [Domain ...]", "Print how long guests have been running", kUptimeOptions, 0,
     kManyArguments, ArgumentKind::kDomain},
    {"domid", "<DomainName>", "Print the id of a guest", {}, 1, 1, ArgumentKind::kDomain},
    {"domname", "<DomainId>", "Print the name of a guest", {}, 1, 1, ArgumentKind::kDomain},
    {"rename", "<Domain> <NewDomainName>", "Rename a guest", {}, 2, 2, ArgumentKind::kDomain},
    {"vcpu-set", "[option] <Domain> <vCPUs>", "Set how many vCPUs a guest has on line",
     kVcpuSetOptions, 2, 2, ArgumentKind::kDomain},
    {"vcpu-pin", "[option] <Domain> <VCPU|all> <Hard affinity|-|all> [Soft affinity|-|all]",
     "Set on which CPUs a vCPU may run", kVcpuPinOptions, 3, 4, ArgumentKind::kDomain},
    {"sched-credit2", "[-d <Domain> [-w[=WEIGHT]|-c[=CAP]]]",
     "Get or set a guest's share of CPU time", kSchedOptions, 0, 0, ArgumentKind::kNone},
    {"block-attach",
     "<Domain> <disk-spec-component(s)>...",
     "Give a guest another disk",
     {},
     2,
     kManyArguments,
     ArgumentKind::kDomain},
    {"block-detach", "<Domain> <Vdev> [--force]", "Take a disk from a guest", kBlockDetachOptions,
     2, 2, ArgumentKind::kDomain},
    {"block-list",
     "<Domain(s)>",
     "List guests' disks",
     {},
     1,
     kManyArguments,
     ArgumentKind::kDomain},
    {"help", "[Command]", "Describe xl's commands", {}, 0, 1, ArgumentKind::kXlCommand},
};

constexpr OptionSpec kXenstoreLsOptions[] = {
    {'f', "flat", "", "Print whole paths."},
    {'p', "prefix", "", "Print permissions as well."},
};
constexpr OptionSpec kXenstoreListOptions[] = {{'p', "prefix", "", "Print whole paths."}};
constexpr OptionSpec kXenstoreReadOptions[] = {
    {'p', "prefix", "", "Print the path before the value."},
    {'R', "raw", "", "Print the value's bytes as they are."},
};
constexpr OptionSpec kXenstoreWriteOptions[] = {
    {'R', "raw", "", "Write the value's bytes as they are."}};
constexpr OptionSpec kXenstoreRmOptions[] = {
    {'t', "tidy", "", "Remove parents too that are left empty."}};
constexpr OptionSpec kXenstoreWatchOptions[] = {
    {'n', "number", "NUMBER", "End after that many events."}};
constexpr OptionSpec kXenstoreChmodOptions[] = {
    {'u', "upto", "", "All parents as well."},
    {'r', "recurse", "", "All nodes below as well."},
};
constexpr OptionSpec kPsOptions[] = {{'c', "capabilities", "", "What each domain may do."}};
constexpr OptionSpec kLosetupOptions[] = {
    {'a', "all", "", "List all, one a line."},
    {'d', "detach", "", "Take the files of these devices away."},
    {'D', "detach-all", "", "Take all files away."},
    {'f', "find", "", "Take the first device without a file; without an argument: print it."},
    {kOptionShow, "show", "", "Print the device that -f took."},
};
constexpr OptionSpec kLsOptions[] = {{'l', "", "", "Sizes as well."}};
constexpr OptionSpec kFallocateOptions[] = {
    {'l', "length", "SIZE", "Its size in bytes, or with a suffix: K, M, G, T."}};
constexpr OptionSpec kEchoOptions[] = {{'n', "", "", "No newline at the end."}};

constexpr CommandSpec kShellCommands[] = {
    {"help", "[Command]", "Describe commands", {}, 0, 2, ArgumentKind::kCommand},
    {"xl", "[-vfNtT] <subcommand> [args]", "Manage guests", kGlobalOptions, 0, kManyArguments,
     ArgumentKind::kXlCommand},
    {"xenstore-ls", "[options] [path]", "Print the XenStore below a path", kXenstoreLsOptions, 0,
     kManyArguments, ArgumentKind::kXenstorePath},
    {"xenstore-list", "[options] <path> [...]", "Print the names below a path of XenStore",
     kXenstoreListOptions, 1, kManyArguments, ArgumentKind::kXenstorePath},
    {"xenstore-read", "[options] <path> [...]", "Print values of XenStore", kXenstoreReadOptions, 1,
     kManyArguments, ArgumentKind::kXenstorePath},
    {"xenstore-write", "[options] <path> <value> [...]", "Write values to XenStore",
     kXenstoreWriteOptions, 2, kManyArguments, ArgumentKind::kXenstorePath},
    {"xenstore-rm", "[options] <path> [...]", "Remove nodes of XenStore", kXenstoreRmOptions, 1,
     kManyArguments, ArgumentKind::kXenstorePath},
    {"xenstore-watch", "[options] <path> [...]", "Print changes of XenStore until Ctrl-C",
     kXenstoreWatchOptions, 1, kManyArguments, ArgumentKind::kXenstorePath},
    {"xenstore-chmod", "[options] <path> <mode> [...]", "Set permissions in XenStore (n0 r5)",
     kXenstoreChmodOptions, 2, kManyArguments, ArgumentKind::kXenstorePath},
    {"ps", "[-c]", "List the domains that Pyrene consists of", kPsOptions, 0, 0,
     ArgumentKind::kNone},
    {"kill",
     "<Service>",
     "Destroy a domain of Pyrene's; init starts it afresh",
     {},
     1,
     1,
     ArgumentKind::kService},
    {"repair",
     "<Service>",
     "As kill; the next life leaves out what is damaged of its journal (xenstore)",
     {},
     1,
     1,
     ArgumentKind::kService},
    {"ls", "[-l] [path]", "List files; those of the disk are below /sd", kLsOptions, 0, 1,
     ArgumentKind::kFile},
    {"cat", "<file> [...]", "Print files", {}, 1, kManyArguments, ArgumentKind::kFile},
    {"cp", "<file> <target>", "Copy a file to the disk, below /sd", {}, 2, 2, ArgumentKind::kFile},
    {"mv", "<file> <target>", "Rename a file of the disk", {}, 2, 2, ArgumentKind::kFile},
    {"rm", "<file> [...]", "Remove files of the disk", {}, 1, kManyArguments, ArgumentKind::kFile},
    {"mkdir",
     "<directory> [...]",
     "Make directories on the disk",
     {},
     1,
     kManyArguments,
     ArgumentKind::kFile},
    {"rmdir",
     "<directory> [...]",
     "Remove empty directories of the disk",
     {},
     1,
     kManyArguments,
     ArgumentKind::kFile},
    {"fallocate", "-l <size> <file>", "Make a file of zeros on the disk, for a guest's disk",
     kFallocateOptions, 1, 1, ArgumentKind::kFile},
    {"df", "", "Print how full the disk's file system, /sd, is", {}, 0, 0, ArgumentKind::kNone},
    {"losetup", "[options] [device] [file]",
     "Name a file of the disk /dev/loopN, or list such names", kLosetupOptions, 0, kManyArguments,
     ArgumentKind::kFile},
    {"date",
     "[YYYY-MM-DD HH:MM:SS]",
     "Print the time, or set it (UTC)",
     {},
     0,
     2,
     ArgumentKind::kNone},
    {"echo", "[-n] [text ...]", "Print its arguments; $? is the exit status of the command before",
     kEchoOptions, 0, kManyArguments, ArgumentKind::kNone},
    {"reboot", "", "Restart the machine", {}, 0, 0, ArgumentKind::kNone},
    {"poweroff", "", "Switch the machine off", {}, 0, 0, ArgumentKind::kNone},
};

constexpr CommandTable kXlTable = {"xl", kXlCommands};
constexpr CommandTable kShellTable = {"", kShellCommands};

std::string HelpFor(const CommandTable& table, absl::string_view name) {
  const CommandSpec* command = FindCommand(table, name);
  if (command == nullptr) return absl::StrCat("command \"", name, "\" not implemented\n");
  return CommandHelp(table, *command);
}

}  // namespace

const CommandTable& XlCommands() { return kXlTable; }

const CommandTable& ShellCommands() { return kShellTable; }

absl::Span<const OptionSpec> XlGlobalOptions() { return kGlobalOptions; }

std::string ShellHelp() {
  return absl::StrCat("Commands:\n\n", CommandList(kShellTable), "\nCommands of xl:\n\n",
                      CommandList(kXlTable),
                      "\n'help COMMAND' and 'help xl SUBCOMMAND' say more.\n\n"
                      "There is no Dom0: the toolstack, XenStore, the console and each driver are "
                      "domains of their own, which\n"
                      "'ps' lists. 'xl list' shows guests only.\n");
}

std::string XlHelp() {
  return absl::StrCat("Usage xl [-vfNtT] <subcommand> [args]\n\nxl full list of subcommands:\n\n",
                      CommandList(kXlTable), "\nThere is no Dom0: 'xl list' shows guests only.\n");
}

std::string ShellHelpFor(absl::string_view name, absl::string_view subcommand) {
  if (name != "xl") return HelpFor(kShellTable, name);
  return subcommand.empty() ? XlHelp() : HelpFor(kXlTable, subcommand);
}

std::string XlHelpFor(absl::string_view name) {
  return name == "help" ? XlHelp() : HelpFor(kXlTable, name);
}

}  // namespace pyrene::xl
