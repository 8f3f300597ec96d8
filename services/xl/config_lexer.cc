// SPDX-License-Identifier: Apache-2.0
#include "services/xl/config_lexer.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/xl/config_syntax.h"

namespace pyrene::xl {
namespace {

using Kind = ConfigToken::Kind;

bool IsKeyStart(char c) { return absl::ascii_islower(c); }
bool IsKeyPart(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '.' || c == '_';
}

int HexDigit(char c) {
  if (absl::ascii_isdigit(c)) return c - '0';
  if (absl::ascii_isxdigit(c)) return absl::ascii_tolower(c) - 'a' + 10;
  return -1;
}

std::string DescribeCharacter(char c) {
  if (absl::ascii_isprint(c)) return absl::StrCat("'", absl::string_view(&c, 1), "'");
  return absl::StrCat("byte 0x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
}

}  // namespace

std::string ConfigToken::Describe() const {
  switch (kind) {
    case Kind::kEnd:
      return "the end of the file";
    case Kind::kNewline:
      return "the end of the line";
    case Kind::kSemicolon:
      return "';'";
    case Kind::kKey:
    case Kind::kNumber:
      return absl::StrCat("'", text, "'");
    case Kind::kString:
      return "a string";
    case Kind::kAssign:
      return "'='";
    case Kind::kAppend:
      return "'+='";
    case Kind::kOpenList:
      return "'['";
    case Kind::kCloseList:
      return "']'";
    case Kind::kComma:
      return "','";
  }
  return "?";
}

absl::Status ConfigLexer::Error(size_t position, absl::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrCat(source_, ":", line_, ":", Column(position), ": ", what));
}

void ConfigLexer::SkipBlanksAndComment() {
  while (Peek() == ' ' || Peek() == '\t' || (Peek() == '\r' && Peek(1) == '\n')) ++position_;
  if (Peek() != '#') return;
  while (!AtEnd() && Peek() != '\n') ++position_;
}

absl::StatusOr<ConfigToken> ConfigLexer::Next() {
  SkipBlanksAndComment();
  ConfigToken token;
  token.line = line_;
  token.column = Column(position_);
  if (AtEnd()) return token;

  const auto single = [&](Kind kind, size_t length = 1) {
    token.kind = kind;
    position_ += length;
    return token;
  };
  switch (Peek()) {
    case '\n':
      single(Kind::kNewline);
      ++line_;
      line_start_ = position_;
      return token;
    case ';':
      return single(Kind::kSemicolon);
    case '=':
      return single(Kind::kAssign);
    case ',':
      return single(Kind::kComma);
    case '[':
      return single(Kind::kOpenList);
    case ']':
      return single(Kind::kCloseList);
    case '+':
      if (Peek(1) == '=') return single(Kind::kAppend, 2);
      break;
    case '\'':
    case '"':
      if (absl::Status status = ReadString(token); !status.ok()) return status;
      return token;
    default:
      break;
  }
  if (absl::ascii_isdigit(Peek())) {
    if (absl::Status status = ReadNumber(token); !status.ok()) return status;
    return token;
  }
  if (IsKeyStart(Peek())) {
    const size_t start = position_;
    while (IsKeyPart(Peek())) ++position_;
    token.kind = Kind::kKey;
    token.text = std::string(text_.substr(start, position_ - start));
    return token;
  }
  return Error(position_, absl::StrCat("unexpected ", DescribeCharacter(Peek())));
}

absl::Status ConfigLexer::ReadString(ConfigToken& token) {
  token.kind = Kind::kString;
  const size_t start = position_;
  const char quote = Peek();
  for (++position_; Peek() != quote;) {
    if (AtEnd() || Peek() == '\n')
      return Error(start, "the string that begins here has no closing quote");
    if (Peek() == '\0') return Error(position_, "unexpected byte 0x00");
    if (Peek() == '\\') {
      if (absl::Status status = ReadEscape(token.text); !status.ok()) return status;
      continue;
    }
    token.text.push_back(Peek());
    ++position_;
  }
  ++position_;
  return absl::OkStatus();
}

absl::Status ConfigLexer::ReadEscape(std::string& text) {
  constexpr absl::string_view kLetters = "abfnrtv\\'\"";
  constexpr absl::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  const size_t start = position_;
  const char letter = Peek(1);
  if (const size_t index = kLetters.find(letter); index != absl::string_view::npos) {
    text.push_back(kMeanings[index]);
    position_ += 2;
    return absl::OkStatus();
  }
  int value = 0;
  if (letter == 'x') {
    const int high = HexDigit(Peek(2));
    const int low = high < 0 ? -1 : HexDigit(Peek(3));
    if (low < 0) return Error(start, "\\x needs two hexadecimal digits");
    value = high * 16 + low;
    position_ += 4;
  } else if (letter >= '0' && letter <= '7') {
    ++position_;
    for (int digits = 0; digits < 3 && Peek() >= '0' && Peek() <= '7'; ++digits, ++position_) {
      value = value * 8 + (Peek() - '0');
    }
    if (value > 0xff) return Error(start, "the octal escape does not fit into a byte");
  } else {
    return Error(start, "unknown escape in a string");
  }
  if (value == 0) return Error(start, "a string cannot contain a NUL");
  text.push_back(static_cast<char>(value));
  return absl::OkStatus();
}

absl::Status ConfigLexer::ReadNumber(ConfigToken& token) {
  const size_t start = position_;
  while (absl::ascii_isalnum(Peek()) || Peek() == '_' || Peek() == '.' || Peek() == '-')
    ++position_;
  token.kind = Kind::kNumber;
  token.text = std::string(text_.substr(start, position_ - start));
  absl::StatusOr<int64_t> value = ConfigInteger({token.text});
  if (!value.ok())
    return Error(start, absl::StrCat(value.status().message(), "; text needs quotes"));
  return absl::OkStatus();
}

}  // namespace pyrene::xl
