// SPDX-License-Identifier: Apache-2.0
#include "services/xl/command_line.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace pyrene::xl {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Parser {
 public:
  explicit Parser(absl::string_view line) : line_(line) {}

  absl::StatusOr<std::vector<Command>> Parse() {
    while (!AtEnd()) {
      const char c = Peek();
      if (IsBlank(c)) {
        ++position_;
      } else if (c == '#') {
        break;
      } else if (c == ';') {
        ++position_;
        if (absl::Status status = EndCommand(); !status.ok()) return status;
      } else {
        if (command_.size() == kMaxWords)
          return Error(position_, absl::StrCat("more than ", kMaxWords, " words"));
        if (absl::Status status = ParseWord(); !status.ok()) return status;
      }
    }
    if (absl::Status status = EndCommand(); !status.ok()) return status;
    return std::move(commands_);
  }

 private:
  bool AtEnd() const { return position_ >= line_.size(); }
  char Peek(size_t ahead = 0) const {
    return position_ + ahead < line_.size() ? line_[position_ + ahead] : '\0';
  }

  static absl::Status Error(size_t position, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("column ", position + 1, ": ", what));
  }

  absl::Status EndCommand() {
    if (command_.empty()) return absl::OkStatus();
    if (commands_.size() == kMaxCommands)
      return Error(position_, absl::StrCat("more than ", kMaxCommands, " commands"));
    commands_.push_back(std::move(command_));
    command_.clear();
    return absl::OkStatus();
  }

  absl::Status ParseWord() {
    Word word(1);
    while (!AtEnd() && !IsBlank(Peek()) && Peek() != ';') {
      absl::Status status;
      switch (Peek()) {
        case '\'':
          status = ParseSingleQuotes(word);
          break;
        case '"':
          status = ParseDoubleQuotes(word);
          break;
        case '\\':
          if (position_ + 1 == line_.size())
            return Error(position_, "nothing follows the backslash");
          Append(word, Peek(1), 2);
          break;
        case '$':
          status = ParseDollar(word);
          break;
        case '|':
        case '&':
        case '<':
        case '>':
        case '`':
          return Error(position_, absl::StrCat("'", line_.substr(position_, 1),
                                               "' has no meaning here; quote it"));
        default:
          Append(word, Peek(), 1);
          break;
      }
      if (!status.ok()) return status;
    }
    command_.push_back(std::move(word));
    return absl::OkStatus();
  }

  void Append(Word& word, char c, size_t length) {
    if (word.back().is_status) word.emplace_back();
    word.back().text.push_back(c);
    position_ += length;
  }

  absl::Status ParseSingleQuotes(Word& word) {
    const size_t start = position_++;
    while (Peek() != '\'') {
      if (AtEnd()) return Error(start, "the quote is not closed");
      Append(word, Peek(), 1);
    }
    ++position_;
    return absl::OkStatus();
  }

  absl::Status ParseDoubleQuotes(Word& word) {
    const size_t start = position_++;
    while (Peek() != '"') {
      if (AtEnd()) return Error(start, "the quote is not closed");
      if (Peek() == '$') {
        if (absl::Status status = ParseDollar(word); !status.ok()) return status;
      } else if (Peek() == '\\' && (Peek(1) == '"' || Peek(1) == '\\' || Peek(1) == '$')) {
        Append(word, Peek(1), 2);
      } else {
        Append(word, Peek(), 1);
      }
    }
    ++position_;
    return absl::OkStatus();
  }

  absl::Status ParseDollar(Word& word) {
    const char next = Peek(1);
    if (next == '?') {
      word.push_back({"", true});
      position_ += 2;
      return absl::OkStatus();
    }
    if (absl::ascii_isalnum(next) || next == '_' || next == '{' || next == '(') {
      return Error(position_, "there are no variables but $?; quote the dollar sign");
    }
    Append(word, '$', 1);
    return absl::OkStatus();
  }

  absl::string_view line_;
  size_t position_ = 0;
  Command command_;
  std::vector<Command> commands_;
};

}  // namespace

absl::StatusOr<std::vector<Command>> ParseCommandLine(absl::string_view line) {
  return Parser(line).Parse();
}

std::vector<std::string> ExpandCommand(const Command& command, int status) {
  std::vector<std::string> words;
  words.reserve(command.size());
  for (const Word& word : command) {
    std::string text;
    for (const WordPiece& piece : word) {
      if (piece.is_status) {
        absl::StrAppend(&text, status);
      } else {
        absl::StrAppend(&text, piece.text);
      }
    }
    words.push_back(std::move(text));
  }
  return words;
}

std::string QuoteWord(absl::string_view text) {
  constexpr absl::string_view kHarmless = "_-./:=,+@%^[]{}()~*!?";
  bool special = text.empty();
  for (const char c : text) {
    special |= !absl::ascii_isalnum(c) && static_cast<unsigned char>(c) < 0x80 &&
               kHarmless.find(c) == absl::string_view::npos;
  }
  if (!special) return std::string(text);
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  quoted += '\'';
  return quoted;
}

}  // namespace pyrene::xl
