// SPDX-License-Identifier: Apache-2.0
// The text of the line that is being edited, and the cursor in it.  Nothing here knows a terminal.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace pyrene::xl {

inline constexpr size_t kMaxLineBytes = 1024;

class LineBuffer {
 public:
  const std::string& text() const { return text_; }
  // A byte offset, always where a character begins or at the end.
  size_t cursor() const { return cursor_; }

  // False: nothing was changed, because there is no room, or nothing to move over or to delete.
  bool Insert(absl::string_view text);
  bool Replace(size_t start, absl::string_view text);  // what stands between start and the cursor
  bool Backspace();
  bool Delete();
  bool Left();
  bool Right();
  void Home() { cursor_ = 0; }
  void End() { cursor_ = text_.size(); }
  bool WordLeft();
  bool WordRight();
  // The two characters before the cursor if it is at the end, else those around it.
  bool Transpose();

  // Remove text and return it.
  std::string KillToEnd();
  std::string KillToStart();
  std::string KillWordLeft();   // letters, digits, '_'
  std::string KillBlankLeft();  // what stands between blanks
  std::string KillWordRight();

  void Set(absl::string_view text, size_t cursor = std::string::npos);
  void Clear() { Set(""); }

 private:
  size_t WordStart() const;
  size_t WordEnd() const;
  std::string Cut(size_t start, size_t end);

  std::string text_;
  size_t cursor_ = 0;
};

}  // namespace pyrene::xl
