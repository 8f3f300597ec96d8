// SPDX-License-Identifier: Apache-2.0
// Keeps what a terminal shows equal to a line of text that may be longer than the terminal is wide.
//
// The terminal is one of VT100's kind: it goes on in the next row when a row is full, and may put
// that off until the next character comes.  Used: CR, LF, BS, CSI A B C D (cursor), CSI J (erase to
// the end of the screen), CSI H (home).  What is on the screen is known, so an edit sends only what
// changed and what follows it.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace pyrene::xl {

class LineDisplay {
 public:
  explicit LineDisplay(int columns) { SetColumns(columns); }

  // Widths below 2 are taken as 2, since a wide character needs as many.  Only between Erase or
  // Finish and Update.
  void SetColumns(int columns);
  int columns() const { return columns_; }

  // Each returns the bytes to send.  `text` holds the prompt and the line, `cursor` is a byte
  // offset in it.

  // Changes what is shown.  After construction, Erase, Finish and Clear nothing is shown, and the
  // terminal's cursor stands at the beginning of a row.
  std::string Update(absl::string_view text, size_t cursor);
  // Leaves the line where it is and goes to the beginning of the row after it.
  std::string Finish();
  // Takes the line away; the cursor stands where the line began.
  std::string Erase();
  // Clears the whole screen.
  std::string Clear();

 private:
  struct Cell {
    int row = 0;
    int column = 0;
    bool operator==(const Cell&) const = default;
  };

  // Where the character at an offset stands, or the cursor behind the last one.
  Cell CellAt(absl::string_view text, size_t offset) const;
  // Moves over one character; true if it fills its row.
  bool Advance(absl::string_view text, size_t offset, Cell& cell, bool& padded) const;
  size_t CommonLength(absl::string_view text) const;
  void MoveTo(Cell target, std::string& output);
  void Print(absl::string_view text, size_t offset, std::string& output);
  void Forget();

  int columns_ = 80;
  std::string shown_;
  Cell cursor_;
  Cell end_;
};

}  // namespace pyrene::xl
