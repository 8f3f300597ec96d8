// SPDX-License-Identifier: Apache-2.0
// The commands of the shell and of xl: names, arguments, options and help texts.
#pragma once

#include <string>

#include "services/xl/command_registry.h"

namespace pyrene::xl {

const CommandTable& XlCommands();
const CommandTable& ShellCommands();

// Options before xl's subcommand: -v -N -f -t -T.
absl::Span<const OptionSpec> XlGlobalOptions();

// Options that have only a long name are known by these.
inline constexpr char kOptionIgnoreAffinityMasks = '\1';
inline constexpr char kOptionShow = '\2';
inline constexpr char kOptionForce = '\3';
inline constexpr char kOptionIgnoreHost = '\4';

std::string ShellHelp();  // `help`
std::string XlHelp();     // `xl help`

// `help NAME`, where NAME may also be "xl SUBCOMMAND" in two words; and `xl help NAME`.  Unknown: a
// line that says so.
std::string ShellHelpFor(absl::string_view name, absl::string_view subcommand = "");
std::string XlHelpFor(absl::string_view name);

}  // namespace pyrene::xl
