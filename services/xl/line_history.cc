// SPDX-License-Identifier: Apache-2.0
#include "services/xl/line_history.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace pyrene::xl {

void LineHistory::Add(absl::string_view line) {
  EndBrowsing();
  if (line.find_first_not_of(" \t") == absl::string_view::npos) return;
  if (!lines_.empty() && lines_.back() == line) return;
  if (lines_.size() == max_lines_) lines_.pop_front();
  lines_.emplace_back(line);
}

const std::string* LineHistory::Older(absl::string_view current) {
  if (lines_.empty() || place_ == size_t{0}) return nullptr;
  if (!place_.has_value()) {
    current_ = std::string(current);
    place_ = lines_.size();
  }
  return &lines_[--*place_];
}

const std::string* LineHistory::Newer() {
  if (!place_.has_value()) return nullptr;
  if (++*place_ < lines_.size()) return &lines_[*place_];
  place_.reset();
  return &current_;
}

void LineHistory::EndBrowsing() {
  place_.reset();
  current_.clear();
}

std::optional<size_t> LineHistory::FindBackwards(absl::string_view text, size_t before) const {
  for (size_t number = std::min(before, lines_.size()); number-- > 0;) {
    if (absl::StrContains(lines_[number], text)) return number;
  }
  return std::nullopt;
}

}  // namespace pyrene::xl
