// SPDX-License-Identifier: Apache-2.0
#include "services/xl/command_registry.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pyrene::xl {
namespace {

std::string FullName(const CommandTable& table, const CommandSpec& command) {
  return absl::StrCat(table.prefix, table.prefix.empty() ? "" : " ", command.name);
}

std::string OptionNames(const OptionSpec& option) {
  const bool has_letter = option.letter >= '!' && option.letter <= '~';
  std::string names;
  if (has_letter) {
    absl::StrAppend(&names, "-", absl::string_view(&option.letter, 1));
    if (!option.argument.empty()) absl::StrAppend(&names, " ", option.argument);
  }
  if (!option.long_name.empty()) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", "--", option.long_name);
    if (!option.argument.empty()) absl::StrAppend(&names, "=", option.argument);
  }
  return names;
}

}  // namespace

const CommandSpec* FindCommand(const CommandTable& table, absl::string_view name) {
  for (const CommandSpec& command : table.commands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::string CommandHelp(const CommandTable& table, const CommandSpec& command) {
  std::string text = absl::StrCat("Usage: ", FullName(table, command));
  if (!command.synopsis.empty()) absl::StrAppend(&text, " ", command.synopsis);
  absl::StrAppend(&text, "\n\n", command.summary, ".\n\n");
  if (command.options.empty()) return text;
  absl::StrAppend(&text, "Options:\n\n");
  for (const OptionSpec& option : command.options) {
    const std::string names = OptionNames(option);
    absl::StrAppendFormat(&text, "%-23s %s\n", names, option.help);
  }
  absl::StrAppendFormat(&text, "%-23s %s\n\n", "-h, --help", "Print this help.");
  return text;
}

std::string CommandList(const CommandTable& table) {
  std::string text;
  for (const CommandSpec& command : table.commands) {
    absl::StrAppendFormat(&text, " %-19s %s\n", command.name, command.summary);
  }
  return text;
}

absl::StatusOr<ParsedOptions> ParseArguments(const CommandTable& table, const CommandSpec& command,
                                             absl::Span<const std::string> words) {
  absl::StatusOr<ParsedOptions> options = ParseOptions(words, command.options);
  if (!options.ok())
    return absl::InvalidArgumentError(absl::StrCat(options.status().message(), "\n"));
  if (options->help) return options;
  const int count = static_cast<int>(options->arguments.size());
  const auto error = [&](absl::string_view what, int limit) {
    return absl::InvalidArgumentError(absl::StrCat("'", FullName(table, command), "' ", what, " ",
                                                   limit, " argument", limit == 1 ? "" : "s",
                                                   ".\n\n", CommandHelp(table, command)));
  };
  if (count < command.min_arguments) return error("requires at least", command.min_arguments);
  if (command.max_arguments != kManyArguments && count > command.max_arguments) {
    return error("takes at most", command.max_arguments);
  }
  return options;
}

}  // namespace pyrene::xl
