// SPDX-License-Identifier: Apache-2.0
#include "services/xl/completion.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/xl/command_line.h"
#include "services/xl/command_table.h"

namespace pyrene::xl {
namespace {

using Names = std::vector<std::string>;

void AddCommands(const CommandTable& table, Names& names) {
  for (const CommandSpec& command : table.commands) names.emplace_back(command.name);
}

void AddOptions(absl::Span<const OptionSpec> options, Names& names) {
  for (const OptionSpec& option : options) {
    if (option.letter >= '!')
      names.push_back(absl::StrCat("-", absl::string_view(&option.letter, 1)));
    if (!option.long_name.empty())
      names.push_back(absl::StrCat("--", option.long_name, option.argument.empty() ? "" : "="));
  }
  names.emplace_back("--help");
}

void AddArguments(ArgumentKind kind, absl::string_view typed, const CompletionSources& sources,
                  Names& names) {
  const auto add = [&names](const Names& more) {
    names.insert(names.end(), more.begin(), more.end());
  };
  switch (kind) {
    case ArgumentKind::kNone:
      break;
    case ArgumentKind::kDomain:
      if (sources.domains) add(sources.domains());
      break;
    case ArgumentKind::kService:
      if (sources.services) add(sources.services());
      break;
    case ArgumentKind::kFile:
      if (sources.files) add(sources.files(typed));
      break;
    case ArgumentKind::kXenstorePath:
      if (sources.xenstore_paths) add(sources.xenstore_paths(typed));
      break;
    case ArgumentKind::kCommand:
      AddCommands(ShellCommands(), names);
      break;
    case ArgumentKind::kXlCommand:
      AddCommands(XlCommands(), names);
      break;
  }
}

// The names that may stand for the last of `words`, which belong to one command.
Names NamesFor(const std::vector<absl::string_view>& words, const CompletionSources& sources) {
  Names names;
  const absl::string_view typed = words.back();
  if (words.size() == 1) {
    AddCommands(ShellCommands(), names);
    return names;
  }
  const CommandSpec* command = FindCommand(ShellCommands(), words[0]);
  if (command == nullptr) return names;
  if (command->argument == ArgumentKind::kXlCommand) {
    // The subcommand is the first word that is no option.
    size_t first = 1;
    while (first < words.size() && absl::StartsWith(words[first], "-")) ++first;
    if (first + 1 < words.size()) {
      command = FindCommand(XlCommands(), words[first]);
      if (command == nullptr) return names;
    }
  }
  if (absl::StartsWith(typed, "-")) {
    AddOptions(command->options, names);
  } else if (command->argument == ArgumentKind::kCommand && words.size() == 3 && words[1] == "xl") {
    AddCommands(XlCommands(), names);
  } else {
    AddArguments(command->argument, typed, sources, names);
  }
  return names;
}

}  // namespace

Completion CompleteCommandLine(absl::string_view line, const CompletionSources& sources) {
  Completion completion;
  if (line.find_first_of("'\"\\") != absl::string_view::npos) return completion;
  const size_t semicolon = line.rfind(';');
  const absl::string_view command =
      semicolon == absl::string_view::npos ? line : line.substr(semicolon + 1);
  std::vector<absl::string_view> words =
      absl::StrSplit(command, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  const bool new_word = command.empty() || command.back() == ' ' || command.back() == '\t';
  if (new_word) words.emplace_back("");
  const absl::string_view typed = words.back();
  completion.start = line.size() - typed.size();
  for (const std::string& name : NamesFor(words, sources)) {
    if (absl::StartsWith(name, typed)) completion.candidates.push_back(QuoteWord(name));
  }
  std::sort(completion.candidates.begin(), completion.candidates.end());
  completion.candidates.erase(
      std::unique(completion.candidates.begin(), completion.candidates.end()),
      completion.candidates.end());
  return completion;
}

}  // namespace pyrene::xl
