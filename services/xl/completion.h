// SPDX-License-Identifier: Apache-2.0
// What Tab offers at the shell's prompt: commands, options, and names of what a command's arguments
// are.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/xl/line_editor.h"

namespace pyrene::xl {

// Where names come from; each may be empty.  The last two get what was typed so far and return
// whole paths, those of directories with a '/' at their end.
struct CompletionSources {
  std::function<std::vector<std::string>()> domains;
  std::function<std::vector<std::string>()> services;
  std::function<std::vector<std::string>(absl::string_view)> files;
  std::function<std::vector<std::string>(absl::string_view)> xenstore_paths;
};

// `line` is the line up to the cursor.  Candidates are sorted.  Within quotes nothing is offered.
Completion CompleteCommandLine(absl::string_view line, const CompletionSources& sources);

}  // namespace pyrene::xl
