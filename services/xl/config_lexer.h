// SPDX-License-Identifier: Apache-2.0
// Tokens of xl.cfg text; config_syntax.h describes the syntax.  Used by its parser only.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pyrene::xl {

struct ConfigToken {
  enum class Kind {
    kEnd,
    kNewline,  // a comment counts as the newline that ends it
    kSemicolon,
    kKey,
    kString,
    kNumber,
    kAssign,
    kAppend,
    kOpenList,
    kCloseList,
    kComma,
  };
  Kind kind = Kind::kEnd;
  std::string text;  // of kKey, kNumber; of kString without quotes, escapes undone
  int line = 1;
  int column = 1;

  std::string Describe() const;  // for "expected ..., not ..."
};

class ConfigLexer {
 public:
  // Both must outlive the lexer.  `source` names the text in errors.
  ConfigLexer(absl::string_view source, absl::string_view text) : source_(source), text_(text) {}

  // After kEnd, kEnd again.  InvalidArgument "source:line:column: reason".
  absl::StatusOr<ConfigToken> Next();

 private:
  bool AtEnd() const { return position_ >= text_.size(); }
  char Peek(size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  int Column(size_t position) const { return static_cast<int>(position - line_start_) + 1; }
  absl::Status Error(size_t position, absl::string_view what) const;

  void SkipBlanksAndComment();
  absl::Status ReadString(ConfigToken& token);
  absl::Status ReadEscape(std::string& text);
  absl::Status ReadNumber(ConfigToken& token);

  absl::string_view source_;
  absl::string_view text_;
  size_t position_ = 0;
  size_t line_start_ = 0;
  int line_ = 1;
};

}  // namespace pyrene::xl
