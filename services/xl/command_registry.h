// SPDX-License-Identifier: Apache-2.0
// Descriptions of commands, from which their arguments are checked and their help is made.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/xl/options.h"

namespace pyrene::xl {

// What an argument names; completion offers those.
enum class ArgumentKind : uint8_t {
  kNone,
  kDomain,
  kFile,
  kService,
  kXenstorePath,
  kCommand,
  kXlCommand
};

struct CommandSpec {
  absl::string_view name;
  absl::string_view synopsis;  // of its arguments
  absl::string_view summary;   // one line without a full stop
  absl::Span<const OptionSpec> options;
  int min_arguments = 0;
  int max_arguments = 0;  // kManyArguments: any number
  ArgumentKind argument = ArgumentKind::kNone;
};
inline constexpr int kManyArguments = -1;

// A set of commands with the word that stands before each: "xl" or nothing.
struct CommandTable {
  absl::string_view prefix;
  absl::Span<const CommandSpec> commands;
};

// Null: unknown.
const CommandSpec* FindCommand(const CommandTable& table, absl::string_view name);

// Usage, summary and options of one command, as `xl help COMMAND` prints them.
std::string CommandHelp(const CommandTable& table, const CommandSpec& command);

// A line for each command, indented by one.
std::string CommandList(const CommandTable& table);

// The options and arguments of a command; `words` are those after its name.  An error is the whole
// text to be printed, with the command's help where the number of arguments is wrong; the exit
// status is kExitUsage then.  When ParsedOptions::help is set, CommandHelp is to be printed and
// nothing else done.
absl::StatusOr<ParsedOptions> ParseArguments(const CommandTable& table, const CommandSpec& command,
                                             absl::Span<const std::string> words);

}  // namespace pyrene::xl
