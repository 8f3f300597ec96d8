// SPDX-License-Identifier: Apache-2.0
// The syntax of xl.cfg files: what stands where, before anybody asks what it means; that is
// guest_config.h's concern.
//
//   key = value                 separated by newlines or ';'
//   'text' "text" 12 0x1f 017   atoms; numbers are C's: decimal, hexadecimal with 0x, octal with 0
//   [ atom, atom, ]             a list; newlines and comments may stand between its elements
//   key += value                appends to the key's value so far: text to text, list to list
//   # text                      a comment, to the end of the line
//
// Keys begin with a lower-case letter and go on with lower-case letters, digits, '.' and '_'.  In
// quoted text \a \b \f \n \r \t \v \\ \' \" are C's, \xHH is two hexadecimal digits, \ooo up to
// three octal ones; a string ends on its line.  A carriage return before a newline is ignored.
//
// A file is text of another machine: everything is bounded, and each error says file, line, column
// and what is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pyrene::xl {

inline constexpr size_t kMaxConfigBytes = 64 * 1024;  // hundred times a long guest.cfg
inline constexpr size_t kMaxConfigEntries = 512;      // xl knows about 250 keys
inline constexpr size_t kMaxConfigListItems = 256;

// Where something stands.  Lines and columns (in bytes) count from 1.
struct SourceLocation {
  std::string source;  // the file's name, or "command line"
  int line = 0;
  int column = 0;

  std::string LineText() const;    // "guest.cfg:3"
  std::string ColumnText() const;  // "guest.cfg:3:7"
};

struct ConfigAtom {
  std::string text;     // without quotes, escapes undone; a number as it was written
  bool quoted = false;  // false: a number
  int line = 0;         // lists go over many lines, and errors shall name the right one
};

struct ConfigValue {
  bool is_list = false;
  std::vector<ConfigAtom> atoms;  // exactly one unless is_list
};

struct ConfigEntry {
  std::string key;
  ConfigValue value;
  SourceLocation location;  // of the key
};

// Entries in the order of the text.  A key may come more than once; its last entry counts
// (FindConfigEntry).  A "+=" entry has swallowed the entry it appends to.
using ConfigEntries = std::vector<ConfigEntry>;

// `source` names the text in errors, which are InvalidArgument "source:line:column: reason".
absl::StatusOr<ConfigEntries> ParseConfig(absl::string_view source, absl::string_view text);

// Appends a key=value argument of the command line (`xl create guest.cfg memory=256`), which
// overrides the file.  Here a value that begins with none of ' " [ and is not a number is taken as
// text without quotes.
absl::Status AddConfigOverride(absl::string_view argument, ConfigEntries& entries);

const ConfigEntry* FindConfigEntry(const ConfigEntries& entries, absl::string_view key);

// The number an atom spells, quoted or not.  InvalidArgument when it is none or does not fit.
absl::StatusOr<int64_t> ConfigInteger(const ConfigAtom& atom);

}  // namespace pyrene::xl
