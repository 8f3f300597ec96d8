// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "services/xl/utf8.h"

namespace pyrene::xl {

// The part of a VT100 that the editor relies on.  `eager` terminals go to the next row as soon as a
// row is full, others (as xterm does) only with the next character.
class Terminal {
 public:
  Terminal(int columns, bool eager) : columns_(columns), eager_(eager), rows_(1, Row(columns)) {}

  void Write(absl::string_view bytes) {
    size_t at = 0;
    while (at < bytes.size()) {
      const unsigned char c = bytes[at];
      if (c == 0x1b) {
        at = Escape(bytes, at);
      } else if (c >= 0x20 && c != 0x7f) {
        const size_t length = Utf8Length(c);
        ASSERT_GT(length, 0u);
        Put(bytes.substr(at, length));
        at += length;
      } else {
        Control(c);
        ++at;
      }
    }
  }

  // The rows without blanks at their ends, without empty rows at the end.
  std::vector<std::string> Screen() const {
    std::vector<std::string> screen;
    for (const Row& row : rows_) {
      std::string text = absl::StrJoin(row, "");
      text.erase(text.find_last_not_of(' ') + 1);
      screen.push_back(text);
    }
    while (!screen.empty() && screen.back().empty()) screen.pop_back();
    return screen;
  }
  int row() const { return row_; }
  int column() const { return column_; }
  int bells() const { return bells_; }

 private:
  struct Row : std::vector<std::string> {
    explicit Row(int columns) : std::vector<std::string>(columns, " ") {}
  };

  void NextRow() {
    ++row_;
    if (row_ == static_cast<int>(rows_.size())) rows_.emplace_back(columns_);
  }

  void Put(absl::string_view character) {
    const int width = CodePointWidth(Utf8Decode(character));
    if (width == 0) {
      absl::StrAppend(&rows_[last_row_][last_column_], character);
      return;
    }
    if (column_ + width > columns_) {
      column_ = 0;
      NextRow();
    }
    rows_[row_][column_] = std::string(character);
    if (width == 2) rows_[row_][column_ + 1] = "";
    last_row_ = row_;
    last_column_ = column_;
    column_ += width;
    if (eager_ && column_ == columns_) {
      column_ = 0;
      NextRow();
    }
  }

  void Control(unsigned char c) {
    switch (c) {
      case '\r':
        column_ = 0;
        break;
      case '\n':
        if (column_ == columns_) column_ = columns_ - 1;
        NextRow();
        break;
      case '\b':
        ASSERT_GT(column_, 0);
        ASSERT_LT(column_, columns_) << "moved while a wrap is pending";
        --column_;
        break;
      case '\a':
        ++bells_;
        break;
      default:
        FAIL() << "control character " << int{c};
    }
  }

  size_t Escape(absl::string_view bytes, size_t at) {
    EXPECT_EQ(bytes[at + 1], '[');
    at += 2;
    int count = 0;
    for (; bytes[at] >= '0' && bytes[at] <= '9'; ++at) count = count * 10 + (bytes[at] - '0');
    const int steps = count == 0 ? 1 : count;
    EXPECT_LT(column_, columns_) << "moved while a wrap is pending";
    switch (bytes[at]) {
      case 'A':
        row_ -= steps;
        break;
      case 'B':
        row_ += steps;
        break;
      case 'C':
        column_ += steps;
        break;
      case 'D':
        column_ -= steps;
        break;
      case 'H':
        row_ = column_ = 0;
        break;
      case 'J':
        for (int column = column_; column < columns_; ++column) rows_[row_][column] = " ";
        rows_.resize(row_ + 1, Row(columns_));
        break;
      default:
        ADD_FAILURE() << "sequence " << bytes[at];
    }
    EXPECT_TRUE(row_ >= 0 && row_ < static_cast<int>(rows_.size())) << "moved off the text";
    EXPECT_TRUE(column_ >= 0 && column_ < columns_) << "moved off the row";
    return at + 1;
  }

  const int columns_;
  const bool eager_;
  std::vector<Row> rows_;
  int row_ = 0;
  int column_ = 0;
  int last_row_ = 0;
  int last_column_ = 0;
  int bells_ = 0;
};

}  // namespace pyrene::xl
