// SPDX-License-Identifier: Apache-2.0
// The shell's language: words separated by blanks, commands separated by ';', and
//
//   'text'   as it is
//   "text"   with \" \\ \$ and $?
//   \c       the character c
//   $?       the exit status of the command before
//   # text   at the beginning of a word: a comment
//
// Nothing else of a shell exists.  What would mean something in one and does nothing here (| & < >
// ` and variables) is an error unless quoted, because a command must not be run with arguments that
// were meant otherwise.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pyrene::xl {

inline constexpr size_t kMaxWords = 256;     // of one command
inline constexpr size_t kMaxCommands = 256;  // on one line

// A piece of a word: text, or the place of $?.
struct WordPiece {
  std::string text;
  bool is_status = false;
};
using Word = std::vector<WordPiece>;
using Command = std::vector<Word>;  // never empty

// Errors are InvalidArgument "column N: reason"; columns count bytes from 1.
absl::StatusOr<std::vector<Command>> ParseCommandLine(absl::string_view line);

// The command's words, `status` put in for $?.
std::vector<std::string> ExpandCommand(const Command& command, int status);

// `text` as one word of a command line: as it is if nothing in it is special, else within single
// quotes.
std::string QuoteWord(absl::string_view text);

}  // namespace pyrene::xl
