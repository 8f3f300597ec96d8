// SPDX-License-Identifier: Apache-2.0
#include "services/xl/line_display.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/xl/utf8.h"

namespace pyrene::xl {
namespace {

constexpr absl::string_view kEraseToEnd = "\x1b[J";
constexpr absl::string_view kEraseScreen = "\x1b[H\x1b[J";
constexpr int kLongestBackspaces = 3;  // one CSI D is as long

void AppendMove(int count, char direction, std::string& output) {
  if (count <= 0) return;
  if (direction == 'D' && count <= kLongestBackspaces) {
    output.append(count, '\b');
    return;
  }
  absl::StrAppend(&output, "\x1b[");
  if (count > 1) absl::StrAppend(&output, count);
  output += direction;
}

}  // namespace

void LineDisplay::SetColumns(int columns) { columns_ = std::max(columns, 2); }

void LineDisplay::Forget() {
  shown_.clear();
  cursor_ = Cell{};
  end_ = Cell{};
}

bool LineDisplay::Advance(absl::string_view text, size_t offset, Cell& cell, bool& padded) const {
  const int width = CharacterWidth(text, offset);
  padded = cell.column + width > columns_;
  if (padded) cell = {cell.row + 1, 0};
  cell.column += width;
  if (cell.column < columns_) return false;
  cell = {cell.row + 1, 0};
  return true;
}

LineDisplay::Cell LineDisplay::CellAt(absl::string_view text, size_t offset) const {
  Cell cell;
  bool padded = false;
  for (size_t at = 0; at < offset; at = NextCharacter(text, at)) Advance(text, at, cell, padded);
  // A wide character that finds one column left stands in the next row, and so does the cursor on
  // it.
  if (offset < text.size() && cell.column + CharacterWidth(text, offset) > columns_)
    cell = {cell.row + 1, 0};
  return cell;
}

size_t LineDisplay::CommonLength(absl::string_view text) const {
  size_t same = 0;
  while (same < text.size() && same < shown_.size()) {
    const size_t next = NextCharacter(text, same);
    if (next != NextCharacter(shown_, same)) break;
    if (text.substr(same, next - same) != absl::string_view(shown_).substr(same, next - same))
      break;
    same = next;
  }
  return same;
}

void LineDisplay::MoveTo(Cell target, std::string& output) {
  AppendMove(cursor_.row - target.row, 'A', output);
  AppendMove(target.row - cursor_.row, 'B', output);
  if (target.column == 0 && cursor_.column != 0) {
    output += '\r';
  } else {
    AppendMove(cursor_.column - target.column, 'D', output);
    AppendMove(target.column - cursor_.column, 'C', output);
  }
  cursor_ = target;
}

void LineDisplay::Print(absl::string_view text, size_t offset, std::string& output) {
  bool row_is_full = false;
  while (offset < text.size()) {
    const size_t next = NextCharacter(text, offset);
    bool padded = false;
    row_is_full = Advance(text, offset, cursor_, padded);
    if (padded) output += ' ';  // what stood in the row's last column must not stay there
    absl::StrAppend(&output, text.substr(offset, next - offset));
    offset = next;
  }
  // A character and a return make the terminal go to the next row now, if it put that off.
  if (row_is_full) output += " \r";
}

std::string LineDisplay::Update(absl::string_view text, size_t cursor) {
  std::string output;
  const size_t same = CommonLength(text);
  if (same < text.size() || same < shown_.size()) {
    // From where the texts part on, but for a padding column, which Print has to make again.
    Cell start;
    bool padded = false;
    for (size_t at = 0; at < same; at = NextCharacter(text, at)) Advance(text, at, start, padded);
    MoveTo(start, output);
    const Cell old_end = end_;
    Print(text, same, output);
    end_ = cursor_;
    if (old_end.row > end_.row || (old_end.row == end_.row && old_end.column > end_.column))
      absl::StrAppend(&output, kEraseToEnd);
    shown_ = std::string(text);
  }
  MoveTo(CellAt(text, cursor), output);
  return output;
}

std::string LineDisplay::Finish() {
  std::string output;
  MoveTo(end_, output);
  output += "\r\n";
  Forget();
  return output;
}

std::string LineDisplay::Erase() {
  std::string output;
  const bool anything = !shown_.empty();
  MoveTo(Cell{}, output);
  if (anything) absl::StrAppend(&output, kEraseToEnd);
  Forget();
  return output;
}

std::string LineDisplay::Clear() {
  Forget();
  return std::string(kEraseScreen);
}

}  // namespace pyrene::xl
