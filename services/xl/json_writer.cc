// SPDX-License-Identifier: Apache-2.0
#include "services/xl/json_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pyrene::xl {

void JsonWriter::Indent() { text_.append(4 * has_members_.size(), ' '); }

void JsonWriter::BeginValue() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (has_members_.empty()) return;
  if (has_members_.back()) text_ += ",\n";
  has_members_.back() = true;
  Indent();
}

void JsonWriter::Open(char bracket) {
  BeginValue();
  text_ += bracket;
  text_ += '\n';
  has_members_.push_back(false);
}

void JsonWriter::Close(char bracket) {
  text_ += '\n';
  has_members_.pop_back();
  Indent();
  text_ += bracket;
}

void JsonWriter::Key(absl::string_view key) {
  BeginValue();
  Quote(key);
  text_ += ": ";
  after_key_ = true;
}

void JsonWriter::String(absl::string_view value) {
  BeginValue();
  Quote(value);
}

void JsonWriter::Integer(uint64_t value) {
  BeginValue();
  absl::StrAppend(&text_, value);
}

void JsonWriter::Quote(absl::string_view value) {
  constexpr absl::string_view kSpecial = "\"\\\n\r\t\b\f";
  constexpr absl::string_view kEscapes = "\"\\nrtbf";
  text_ += '"';
  for (const char c : value) {
    if (const size_t index = kSpecial.find(c); index != absl::string_view::npos) {
      text_ += '\\';
      text_ += kEscapes[index];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&text_, "\\u%04X", static_cast<unsigned char>(c));
    } else {
      text_ += c;
    }
  }
  text_ += '"';
}

std::string JsonWriter::Take() && {
  text_ += '\n';
  return std::move(text_);
}

}  // namespace pyrene::xl
