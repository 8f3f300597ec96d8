// SPDX-License-Identifier: Apache-2.0
// Lines that were entered, oldest first, and the place of the one that is being looked at.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace pyrene::xl {

class LineHistory {
 public:
  explicit LineHistory(size_t max_lines) : max_lines_(max_lines) {}

  // Empty lines and repetitions of the last one are not kept.  Ends looking back.
  void Add(absl::string_view line);
  const std::deque<std::string>& lines() const { return lines_; }

  // The line before or after the one that is looked at; `current` is kept while older lines are
  // looked at, and is what stands after the last of them.  Null: there is none.
  const std::string* Older(absl::string_view current);
  const std::string* Newer();
  void EndBrowsing();

  // The youngest line before number `before` that contains `text`, and its number.
  std::optional<size_t> FindBackwards(absl::string_view text, size_t before) const;

 private:
  const size_t max_lines_;
  std::deque<std::string> lines_;
  std::optional<size_t> place_;
  std::string current_;
};

}  // namespace pyrene::xl
