// SPDX-License-Identifier: Apache-2.0
//
// The shell at the prompt "pyrene# ": reads lines with the line editor, and runs their commands one
// after the other.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "services/xl/completion.h"
#include "services/xl/line_editor.h"
#include "services/xl/shell/session.h"

namespace pyrene::xl {

inline constexpr char kPrompt[] = "pyrene# ";

class Shell {
 public:
  explicit Shell(Session& session);

  // `generation` of the service; a later one than the first begins on a line of its own. Ends when
  // waiter.Stop was called.
  void Run(uint32_t generation);

 private:
  // Nothing: the service ends.
  std::optional<std::string> ReadLine();
  void RunLine(absl::string_view line);
  Completion Complete(absl::string_view line);

  Session& session_;
  CompletionSources sources_;
  LineEditor editor_;
  int status_ = 0;  // $?
};

}  // namespace pyrene::xl
