// SPDX-License-Identifier: Apache-2.0
// Options of a command, as getopt_long takes them: -v, -cp, -f FILE, -fFILE, --verbose,
// --defconfig=FILE, unambiguous beginnings of long names, options after other arguments, "--" for
// the end of the options.  -h and --help are always known.  Errors are worded as xl's.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace pyrene::xl {

struct OptionSpec {
  char letter = '\0';           // in ParsedOptions; no printable one if there is a long name only
  absl::string_view long_name;  // empty: none
  absl::string_view argument;   // what stands for it in help texts, "FILE"; empty: takes none
  absl::string_view help;
};

class ParsedOptions {
 public:
  bool Has(char letter) const { return Count(letter) > 0; }
  int Count(char letter) const;
  // The last one's argument; empty when the option was not given.
  absl::string_view Value(char letter) const;

  bool help = false;  // -h: nothing else counts then
  std::vector<std::string> arguments;

 private:
  friend absl::StatusOr<ParsedOptions> ParseOptions(absl::Span<const std::string>,
                                                    absl::Span<const OptionSpec>, bool);
  std::vector<std::pair<char, std::string>> options_;
};

// `words` are those after the command's name.  With `stop_at_argument` the first word that is no
// option ends the options, as `xl -N create ...` needs.  InvalidArgument with a whole line of text.
absl::StatusOr<ParsedOptions> ParseOptions(absl::Span<const std::string> words,
                                           absl::Span<const OptionSpec> specs,
                                           bool stop_at_argument = false);

}  // namespace pyrene::xl
