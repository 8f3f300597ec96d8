// SPDX-License-Identifier: Apache-2.0
#include "services/xl/config_syntax.h"

#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/xl/config_lexer.h"

namespace pyrene::xl {
namespace {

using Kind = ConfigToken::Kind;

class Parser {
 public:
  Parser(absl::string_view source, absl::string_view text, ConfigEntries& entries)
      : source_(source), lexer_(source, text), entries_(entries) {}

  absl::Status Parse() {
    if (absl::Status status = Advance(); !status.ok()) return status;
    while (token_.kind != Kind::kEnd) {
      if (token_.kind == Kind::kNewline || token_.kind == Kind::kSemicolon) {
        if (absl::Status status = Advance(); !status.ok()) return status;
        continue;
      }
      if (absl::Status status = ParseAssignment(); !status.ok()) return status;
      if (token_.kind != Kind::kNewline && token_.kind != Kind::kSemicolon &&
          token_.kind != Kind::kEnd) {
        return Expected("a newline or ';' after the value");
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Advance() {
    absl::StatusOr<ConfigToken> next = lexer_.Next();
    if (!next.ok()) return next.status();
    token_ = *std::move(next);
    return absl::OkStatus();
  }

  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(source_, ":", token_.line, ":", token_.column, ": ", what));
  }

  absl::Status Expected(absl::string_view what) const {
    return Error(absl::StrCat("expected ", what, ", not ", token_.Describe()));
  }

  absl::Status ParseAssignment() {
    if (token_.kind != Kind::kKey) return Expected("a key");
    if (entries_.size() >= kMaxConfigEntries) {
      return Error(absl::StrCat("more than ", kMaxConfigEntries, " settings"));
    }
    ConfigEntry entry;
    entry.key = std::move(token_.text);
    entry.location = {std::string(source_), token_.line, token_.column};
    if (absl::Status status = Advance(); !status.ok()) return status;
    if (token_.kind != Kind::kAssign && token_.kind != Kind::kAppend) {
      return Expected(absl::StrCat("'=' after the key '", entry.key, "'"));
    }
    const bool append = token_.kind == Kind::kAppend;
    if (absl::Status status = Advance(); !status.ok()) return status;
    if (absl::Status status = ParseValue(entry.value); !status.ok()) return status;
    if (append) {
      if (absl::Status status = Append(entry); !status.ok()) return status;
    }
    entries_.push_back(std::move(entry));
    return absl::OkStatus();
  }

  absl::Status ParseValue(ConfigValue& value) {
    switch (token_.kind) {
      case Kind::kString:
      case Kind::kNumber:
        TakeAtom(value);
        return Advance();
      case Kind::kOpenList:
        value.is_list = true;
        return ParseList(value);
      case Kind::kKey:
        return Error(absl::StrCat("text needs quotes: '", token_.text, "'"));
      default:
        return Expected("a value");
    }
  }

  absl::Status ParseList(ConfigValue& value) {
    const int line = token_.line;
    const int column = token_.column;
    if (absl::Status status = Advance(); !status.ok()) return status;
    bool separated = true;
    for (;;) {
      switch (token_.kind) {
        case Kind::kNewline:
          break;
        case Kind::kCloseList:
          return Advance();
        case Kind::kComma:
          if (separated) return Expected("a list element");
          separated = true;
          break;
        case Kind::kString:
        case Kind::kNumber:
          if (!separated) return Expected("',' or ']'");
          if (value.atoms.size() >= kMaxConfigListItems) {
            return Error(absl::StrCat("more than ", kMaxConfigListItems, " elements in a list"));
          }
          TakeAtom(value);
          separated = false;
          break;
        case Kind::kOpenList:
          return Error("a list inside a list is not supported");
        case Kind::kKey:
          return Error(absl::StrCat("text needs quotes: '", token_.text, "'"));
        case Kind::kEnd:
          return absl::InvalidArgumentError(absl::StrCat(
              source_, ":", line, ":", column, ": the list that begins here is not closed by ']'"));
        default:
          return Expected(separated ? "a list element" : "',' or ']'");
      }
      if (absl::Status status = Advance(); !status.ok()) return status;
    }
  }

  void TakeAtom(ConfigValue& value) {
    value.atoms.push_back({std::move(token_.text), token_.kind == Kind::kString, token_.line});
  }

  absl::Status Append(ConfigEntry& entry) {
    const auto error = [&entry](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat(entry.location.ColumnText(), ": ", what));
    };
    const ConfigEntry* found = FindConfigEntry(entries_, entry.key);
    if (found == nullptr) return absl::OkStatus();
    const ConfigValue& before = found->value;
    if (before.is_list != entry.value.is_list)
      return error("+= cannot join a list and a single value");
    if (entry.value.is_list) {
      if (before.atoms.size() + entry.value.atoms.size() > kMaxConfigListItems) {
        return error(absl::StrCat("more than ", kMaxConfigListItems, " elements in a list"));
      }
      entry.value.atoms.insert(entry.value.atoms.begin(), before.atoms.begin(), before.atoms.end());
    } else {
      ConfigAtom& atom = entry.value.atoms.front();
      const ConfigAtom& first = before.atoms.front();
      if (!atom.quoted && !first.quoted) return error("+= cannot join numbers");
      atom.text.insert(0, first.text);
      atom.quoted = true;
    }
    // Kept as well, the entry would let a file of n lines take n*n of its size.
    entries_.erase(entries_.begin() + (found - entries_.data()));
    return absl::OkStatus();
  }

  absl::string_view source_;
  ConfigLexer lexer_;
  ConfigToken token_;
  ConfigEntries& entries_;
};

absl::Status ParseInto(absl::string_view source, absl::string_view text, ConfigEntries& entries) {
  if (text.size() > kMaxConfigBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ":1:1: the file is longer than ", kMaxConfigBytes, " bytes"));
  }
  return Parser(source, text, entries).Parse();
}

}  // namespace

std::string SourceLocation::LineText() const { return absl::StrCat(source, ":", line); }

std::string SourceLocation::ColumnText() const {
  return absl::StrCat(source, ":", line, ":", column);
}

absl::StatusOr<ConfigEntries> ParseConfig(absl::string_view source, absl::string_view text) {
  ConfigEntries entries;
  if (absl::Status status = ParseInto(source, text, entries); !status.ok()) return status;
  return entries;
}

absl::Status AddConfigOverride(absl::string_view argument, ConfigEntries& entries) {
  constexpr absl::string_view kSource = "command line";
  const size_t equals = argument.find('=');
  const absl::string_view value = equals == absl::string_view::npos
                                      ? ""
                                      : absl::StripAsciiWhitespace(argument.substr(equals + 1));
  const bool as_in_a_file = value.empty() || value.front() == '\'' || value.front() == '"' ||
                            value.front() == '[' || ConfigInteger({std::string(value)}).ok();
  if (as_in_a_file) return ParseInto(kSource, argument, entries);

  // The key is checked by the same parser, with a value that cannot fail.
  const size_t count = entries.size();
  absl::Status status = ParseInto(kSource, absl::StrCat(argument.substr(0, equals), "=0"), entries);
  if (!status.ok()) return status;
  if (entries.size() != count + 1) {
    return absl::InvalidArgumentError(absl::StrCat(kSource, ":1:1: expected one key=value"));
  }
  if (value.size() > kMaxConfigBytes) {
    entries.pop_back();
    return absl::InvalidArgumentError(
        absl::StrCat(kSource, ":1:1: the value is longer than ", kMaxConfigBytes, " bytes"));
  }
  entries.back().value.atoms.front() = {std::string(value), true, entries.back().location.line};
  return absl::OkStatus();
}

const ConfigEntry* FindConfigEntry(const ConfigEntries& entries, absl::string_view key) {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->key == key) return &*entry;
  }
  return nullptr;
}

absl::StatusOr<int64_t> ConfigInteger(const ConfigAtom& atom) {
  absl::string_view digits = absl::StripAsciiWhitespace(atom.text);
  const auto error = [&atom](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("'", atom.text, "' ", what));
  };
  const bool negative = !digits.empty() && digits.front() == '-';
  if (negative) digits.remove_prefix(1);
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
    base = 16;
    digits.remove_prefix(2);
  } else if (digits.size() > 1 && digits[0] == '0') {
    base = 8;
    digits.remove_prefix(1);
  }
  // Not from_chars' own sign: "--1" and "0x-1" are no numbers.
  if (digits.empty() || !absl::ascii_isxdigit(digits.front())) return error("is not a number");
  int64_t value = 0;
  const auto [end, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (code == std::errc::result_out_of_range) return error("is too large");
  if (code != std::errc() || end != digits.data() + digits.size()) return error("is not a number");
  return negative ? -value : value;
}

}  // namespace pyrene::xl
