// SPDX-License-Identifier: Apache-2.0
#include "services/xl/line_buffer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/xl/utf8.h"

namespace pyrene::xl {
namespace {

// Every character beyond ASCII belongs to a word.
bool IsWordByte(char c) {
  return absl::ascii_isalnum(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

bool LineBuffer::Insert(absl::string_view text) {
  if (text.size() > kMaxLineBytes - text_.size()) return false;
  text_.insert(cursor_, text.data(), text.size());
  cursor_ += text.size();
  return true;
}

bool LineBuffer::Replace(size_t start, absl::string_view text) {
  if (start > cursor_ || text_.size() - (cursor_ - start) + text.size() > kMaxLineBytes)
    return false;
  text_.replace(start, cursor_ - start, text.data(), text.size());
  cursor_ = start + text.size();
  return true;
}

bool LineBuffer::Backspace() {
  if (cursor_ == 0) return false;
  Cut(PreviousCharacter(text_, cursor_), cursor_);
  return true;
}

bool LineBuffer::Delete() {
  if (cursor_ == text_.size()) return false;
  Cut(cursor_, NextCharacter(text_, cursor_));
  return true;
}

bool LineBuffer::Left() {
  if (cursor_ == 0) return false;
  cursor_ = PreviousCharacter(text_, cursor_);
  return true;
}

bool LineBuffer::Right() {
  if (cursor_ == text_.size()) return false;
  cursor_ = NextCharacter(text_, cursor_);
  return true;
}

size_t LineBuffer::WordStart() const {
  size_t start = cursor_;
  while (start > 0 && !IsWordByte(text_[start - 1])) --start;
  while (start > 0 && IsWordByte(text_[start - 1])) --start;
  return start;
}

size_t LineBuffer::WordEnd() const {
  size_t end = cursor_;
  while (end < text_.size() && !IsWordByte(text_[end])) ++end;
  while (end < text_.size() && IsWordByte(text_[end])) ++end;
  return end;
}

bool LineBuffer::WordLeft() {
  const size_t before = cursor_;
  cursor_ = WordStart();
  return cursor_ != before;
}

bool LineBuffer::WordRight() {
  const size_t before = cursor_;
  cursor_ = WordEnd();
  return cursor_ != before;
}

bool LineBuffer::Transpose() {
  size_t middle = cursor_;
  if (middle == text_.size() && middle > 0) middle = PreviousCharacter(text_, middle);
  if (middle == 0) return false;
  const size_t start = PreviousCharacter(text_, middle);
  const size_t end = NextCharacter(text_, middle);
  const std::string swapped =
      absl::StrCat(text_.substr(middle, end - middle), text_.substr(start, middle - start));
  text_.replace(start, end - start, swapped);
  cursor_ = end;
  return true;
}

std::string LineBuffer::Cut(size_t start, size_t end) {
  std::string cut = text_.substr(start, end - start);
  text_.erase(start, end - start);
  cursor_ = start;
  return cut;
}

std::string LineBuffer::KillToEnd() { return Cut(cursor_, text_.size()); }

std::string LineBuffer::KillToStart() { return Cut(0, cursor_); }

std::string LineBuffer::KillWordLeft() { return Cut(WordStart(), cursor_); }

std::string LineBuffer::KillBlankLeft() {
  size_t start = cursor_;
  while (start > 0 && text_[start - 1] == ' ') --start;
  while (start > 0 && text_[start - 1] != ' ') --start;
  return Cut(start, cursor_);
}

std::string LineBuffer::KillWordRight() { return Cut(cursor_, WordEnd()); }

void LineBuffer::Set(absl::string_view text, size_t cursor) {
  text_ = std::string(text);
  cursor_ = std::min(cursor, text_.size());
}

}  // namespace pyrene::xl
