// SPDX-License-Identifier: Apache-2.0
#include "services/xl/utf8.h"

namespace pyrene::xl {
namespace {

struct Range {
  int32_t first;
  int32_t last;
};

// The blocks of combining marks and of wide characters that people type; not every single code
// point of Unicode.
constexpr Range kCombining[] = {
    {0x0300, 0x036f},   {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a}, {0x064b, 0x065f},
    {0x0900, 0x0902},   {0x093c, 0x093c}, {0x0941, 0x0948}, {0x0e31, 0x0e31}, {0x0e34, 0x0e3a},
    {0x0e47, 0x0e4e},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x202a, 0x202e},
    {0x2060, 0x2064},   {0x20d0, 0x20f0}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff},
    {0xe0100, 0xe01ef},
};
constexpr Range kWide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2e80, 0x303e},   {0x3041, 0x33ff},
    {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xa960, 0xa97f},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
    {0x20000, 0x2fffd}, {0x30000, 0x3fffd},
};

template <size_t N>
bool Contains(const Range (&ranges)[N], int32_t code_point) {
  for (const Range& range : ranges) {
    if (code_point >= range.first && code_point <= range.last) return true;
  }
  return false;
}

int32_t CodePointAt(absl::string_view text, size_t position) {
  return Utf8Decode(text.substr(position, Utf8Length(static_cast<uint8_t>(text[position]))));
}

size_t NextCodePoint(absl::string_view text, size_t position) {
  const size_t length = Utf8Length(static_cast<uint8_t>(text[position]));
  return position + length < text.size() ? position + (length == 0 ? 1 : length) : text.size();
}

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

}  // namespace

size_t Utf8Length(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  if (lead >= 0xf0 && lead < 0xf5) return 4;
  return 0;
}

int32_t Utf8Decode(absl::string_view sequence) {
  if (sequence.empty()) return -1;
  const uint8_t lead = static_cast<uint8_t>(sequence[0]);
  const size_t length = Utf8Length(lead);
  if (length == 0 || sequence.size() != length) return -1;
  if (length == 1) return lead;
  int32_t code_point = lead & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(sequence[i])) return -1;
    code_point = code_point << 6 | (static_cast<uint8_t>(sequence[i]) & 0x3f);
  }
  constexpr int32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code_point < kSmallest[length] || code_point > 0x10ffff) return -1;
  if (code_point >= 0xd800 && code_point <= 0xdfff) return -1;
  return code_point;
}

int CodePointWidth(int32_t code_point) {
  if (code_point < 0x300) return 1;
  if (Contains(kCombining, code_point)) return 0;
  return Contains(kWide, code_point) ? 2 : 1;
}

size_t NextCharacter(absl::string_view text, size_t position) {
  if (position >= text.size()) return text.size();
  size_t next = NextCodePoint(text, position);
  while (next < text.size() && CodePointWidth(CodePointAt(text, next)) == 0)
    next = NextCodePoint(text, next);
  return next;
}

size_t PreviousCharacter(absl::string_view text, size_t position) {
  while (position > 0) {
    do {
      --position;
    } while (position > 0 && IsContinuation(text[position]));
    if (CodePointWidth(CodePointAt(text, position)) != 0) break;
  }
  return position;
}

int CharacterWidth(absl::string_view text, size_t position) {
  // A mark at the very beginning of a text has nothing to combine with; terminals show nothing for
  // it.
  return position < text.size() ? CodePointWidth(CodePointAt(text, position)) : 0;
}

}  // namespace pyrene::xl
