// SPDX-License-Identifier: Apache-2.0
#include "services/xl/options.h"

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pyrene::xl {
namespace {

constexpr OptionSpec kHelp = {'h', "help", "", ""};

absl::Status NotSupported(absl::string_view option) {
  return absl::InvalidArgumentError(absl::StrCat("option `", option, "' not supported."));
}

absl::Status NeedsArgument(absl::string_view option) {
  return absl::InvalidArgumentError(absl::StrCat("option `", option, "' requires an argument."));
}

const OptionSpec* FindLetter(absl::Span<const OptionSpec> specs, char letter) {
  for (const OptionSpec& spec : specs) {
    if (spec.letter == letter) return &spec;
  }
  return letter == 'h' ? &kHelp : nullptr;
}

// Null: none, or more than one begins like that.
const OptionSpec* FindLong(absl::Span<const OptionSpec> specs, absl::string_view name) {
  const OptionSpec* found = nullptr;
  int count = 0;
  const auto consider = [&](const OptionSpec& spec) {
    if (spec.long_name.empty() || !absl::StartsWith(spec.long_name, name)) return false;
    found = &spec;
    ++count;
    return spec.long_name == name;
  };
  for (const OptionSpec& spec : specs) {
    if (consider(spec)) return &spec;
  }
  if (consider(kHelp)) return &kHelp;
  return count == 1 ? found : nullptr;
}

}  // namespace

int ParsedOptions::Count(char letter) const {
  return static_cast<int>(
      std::count_if(options_.begin(), options_.end(),
                    [letter](const auto& option) { return option.first == letter; }));
}

absl::string_view ParsedOptions::Value(char letter) const {
  for (auto option = options_.rbegin(); option != options_.rend(); ++option) {
    if (option->first == letter) return option->second;
  }
  return "";
}

absl::StatusOr<ParsedOptions> ParseOptions(absl::Span<const std::string> words,
                                           absl::Span<const OptionSpec> specs,
                                           bool stop_at_argument) {
  ParsedOptions parsed;
  size_t index = 0;
  // Records an option; its argument is what is attached to it, or else the next word.
  const auto take = [&](const OptionSpec& spec, absl::string_view shown,
                        std::optional<std::string> attached) -> absl::Status {
    if (spec.letter == 'h' && spec.argument.empty()) parsed.help = true;
    if (spec.argument.empty()) {
      if (attached.has_value())
        return absl::InvalidArgumentError(absl::StrCat("option `", shown, "' takes no argument."));
    } else if (!attached.has_value()) {
      if (index + 1 >= words.size()) return NeedsArgument(shown);
      attached = words[++index];
    }
    parsed.options_.emplace_back(spec.letter, std::move(attached).value_or(""));
    return absl::OkStatus();
  };

  for (; index < words.size(); ++index) {
    const std::string& word = words[index];
    if (word == "--") {
      ++index;
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      if (stop_at_argument) break;
      parsed.arguments.push_back(word);
      continue;
    }
    if (word[1] == '-') {
      const size_t equals = word.find('=');
      const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
      const OptionSpec* spec = FindLong(specs, name);
      if (spec == nullptr) return NotSupported(absl::StrCat("--", name));
      std::optional<std::string> attached;
      if (equals != std::string::npos) attached = word.substr(equals + 1);
      if (absl::Status status = take(*spec, absl::StrCat("--", name), std::move(attached));
          !status.ok())
        return status;
      continue;
    }
    for (size_t i = 1; i < word.size(); ++i) {
      const absl::string_view letter = absl::string_view(word).substr(i, 1);
      const OptionSpec* spec = FindLetter(specs, letter[0]);
      if (spec == nullptr) return NotSupported(letter);
      std::optional<std::string> attached;
      const bool rest_is_argument = !spec->argument.empty() && i + 1 < word.size();
      if (rest_is_argument) attached = word.substr(i + 1);
      if (absl::Status status = take(*spec, letter, std::move(attached)); !status.ok())
        return status;
      if (rest_is_argument) break;
    }
  }
  for (; index < words.size(); ++index) parsed.arguments.push_back(words[index]);
  return parsed;
}

}  // namespace pyrene::xl
