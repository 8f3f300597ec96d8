// SPDX-License-Identifier: Apache-2.0
#include "services/xl/line_editor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/xl/plain_text.h"

namespace pyrene::xl {
namespace {

constexpr char kBell = '\a';

size_t CommonPrefix(absl::string_view a, absl::string_view b) {
  size_t length = 0;
  while (length < a.size() && length < b.size() && a[length] == b[length]) ++length;
  // Not in the middle of a character.
  while (length > 0 && length < a.size() && (static_cast<uint8_t>(a[length]) & 0xc0) == 0x80)
    --length;
  return length;
}

}  // namespace

LineEditor::LineEditor(std::string prompt, Completer completer, int columns)
    : prompt_(std::move(prompt)), completer_(std::move(completer)), display_(columns) {}

std::string LineEditor::Refresh() {
  if (!search_.has_value())
    return display_.Update(absl::StrCat(prompt_, line_.text()), prompt_.size() + line_.cursor());
  const std::string prompt = absl::StrCat("(", search_->failed ? "failed " : "",
                                          "reverse-i-search)`", search_->text, "': ");
  return display_.Update(absl::StrCat(prompt, line_.text()), prompt.size() + line_.cursor());
}

LineEditor::Result LineEditor::Feed(uint8_t byte) {
  Result result;
  const std::optional<KeyPress> key = decoder_.Feed(byte);
  if (!key.has_value()) return result;
  bool done = false;
  bool possible = true;
  if (search_.has_value()) possible = HandleSearchKey(*key, done);
  if (!done) {
    joins_kill_ = std::exchange(last_was_kill_, false);
    const bool second_tab = std::exchange(last_was_tab_, false);
    if (key->code == KeyCode::kTab) {
      possible = HandleTab(second_tab, result);
      last_was_tab_ = true;
    } else {
      possible = HandleKey(*key, result);
    }
  }
  if (result.line.has_value() || result.interrupted || result.end_of_input) return result;
  result.output += Refresh();
  if (!possible) result.output += kBell;
  return result;
}

bool LineEditor::HandleKey(const KeyPress& key, Result& result) {
  switch (key.code) {
    case KeyCode::kText:
      return line_.Insert(key.text);
    case KeyCode::kEnter:
      line_.End();
      result.output += Refresh();
      result.line = line_.text();
      history_.Add(line_.text());
      EndLine(result);
      return true;
    case KeyCode::kBackspace:
      return line_.Backspace();
    case KeyCode::kDelete:
      return line_.Delete();
    case KeyCode::kLeft:
      return line_.Left();
    case KeyCode::kRight:
      return line_.Right();
    case KeyCode::kUp:
      return ShowHistory(history_.Older(line_.text()));
    case KeyCode::kDown:
      return ShowHistory(history_.Newer());
    case KeyCode::kHome:
      line_.Home();
      return true;
    case KeyCode::kEnd:
      line_.End();
      return true;
    case KeyCode::kWordLeft:
      return line_.WordLeft();
    case KeyCode::kWordRight:
      return line_.WordRight();
    case KeyCode::kDeleteWord:
      return Kill(line_.KillWordRight(), true);
    case KeyCode::kBackspaceWord:
      return Kill(line_.KillWordLeft(), false);
    case KeyCode::kControl:
      return HandleControl(key.letter, result);
    case KeyCode::kTab:
    case KeyCode::kInvalid:
      return false;
  }
  return false;
}

bool LineEditor::HandleControl(char letter, Result& result) {
  switch (letter) {
    case 'a':
      line_.Home();
      return true;
    case 'b':
      return line_.Left();
    case 'c':
      line_.End();
      result.output += absl::StrCat(Refresh(), "^C");
      result.interrupted = true;
      EndLine(result);
      return true;
    case 'd':
      if (!line_.text().empty()) return line_.Delete();
      result.end_of_input = true;
      EndLine(result);
      return true;
    case 'e':
      line_.End();
      return true;
    case 'f':
      return line_.Right();
    case 'k':
      return Kill(line_.KillToEnd(), true);
    case 'l':
      result.output += display_.Clear();
      return true;
    case 'n':
      return ShowHistory(history_.Newer());
    case 'p':
      return ShowHistory(history_.Older(line_.text()));
    case 'r':
      BeginSearch();
      return true;
    case 't':
      return line_.Transpose();
    case 'u':
      return Kill(line_.KillToStart(), false);
    case 'w':
      return Kill(line_.KillBlankLeft(), false);
    case 'y':
      return !killed_.empty() && line_.Insert(killed_);
    default:
      return false;
  }
}

// Cuts that follow each other make one text to paste.
bool LineEditor::Kill(std::string text, bool forwards) {
  if (text.empty()) return false;
  if (!joins_kill_) {
    killed_ = std::move(text);
  } else if (killed_.size() + text.size() <= kMaxLineBytes) {
    killed_ = forwards ? absl::StrCat(killed_, text) : absl::StrCat(text, killed_);
  }
  last_was_kill_ = true;
  return true;
}

bool LineEditor::ShowHistory(const std::string* line) {
  if (line == nullptr) return false;
  line_.Set(*line);
  return true;
}

void LineEditor::EndLine(Result& result) {
  result.output += display_.Finish();
  line_.Clear();
  history_.EndBrowsing();
}

void LineEditor::BeginSearch() {
  search_ = Search{};
  search_->line_before = line_.text();
  search_->cursor_before = line_.cursor();
  line_.Clear();
}

// Looks for the text in the lines before number `before`.
bool LineEditor::FindAgain(size_t before) {
  const std::optional<size_t> match = history_.FindBackwards(search_->text, before);
  search_->failed = !match.has_value();
  if (search_->failed) return false;
  search_->match = match;
  const std::string& line = history_.lines()[*match];
  line_.Set(line, line.find(search_->text));
  return true;
}

// `done` is left false when the key ends the search and is yet to be handled as any other.
bool LineEditor::HandleSearchKey(const KeyPress& key, bool& done) {
  done = true;
  const size_t all = history_.lines().size();
  if (key.code == KeyCode::kText) {
    if (search_->text.size() + key.text.size() > kMaxLineBytes) return false;
    search_->text += key.text;
    return FindAgain(search_->match.has_value() ? *search_->match + 1 : all);
  }
  if (key.code == KeyCode::kBackspace) {
    if (search_->text.empty()) return false;
    search_->text.pop_back();
    while (!search_->text.empty() && (static_cast<uint8_t>(search_->text.back()) & 0xc0) == 0x80)
      search_->text.pop_back();
    search_->match.reset();
    if (search_->text.empty()) {
      search_->failed = false;
      line_.Clear();
      return true;
    }
    return FindAgain(all);
  }
  if (key.code == KeyCode::kControl && key.letter == 'r') {
    return !search_->text.empty() && FindAgain(search_->match.value_or(all));
  }
  if (key.code == KeyCode::kControl && key.letter == 'g') {
    line_.Set(search_->line_before, search_->cursor_before);
    search_.reset();
    return true;
  }
  if (!search_->match.has_value()) line_.Set(search_->line_before, search_->cursor_before);
  search_.reset();
  done = false;
  return true;
}

bool LineEditor::HandleTab(bool second, Result& result) {
  if (completer_ == nullptr) return false;
  Completion completion = completer_(absl::string_view(line_.text()).substr(0, line_.cursor()));
  // Names that other domains chose must not reach the terminal as anything but text.
  std::vector<std::string>& candidates = completion.candidates;
  candidates.erase(std::remove_if(candidates.begin(), candidates.end(),
                                  [](const std::string& c) { return !IsPlainText(c); }),
                   candidates.end());
  if (candidates.empty() || completion.start > line_.cursor()) return false;
  absl::string_view common = candidates.front();
  for (const std::string& candidate : candidates)
    common = common.substr(0, CommonPrefix(common, candidate));
  const absl::string_view typed =
      absl::string_view(line_.text()).substr(completion.start, line_.cursor() - completion.start);
  if (candidates.size() == 1) {
    const bool goes_on = !common.empty() && (common.back() == '/' || common.back() == '=');
    return line_.Replace(completion.start, absl::StrCat(common, goes_on ? "" : " "));
  }
  if (common != typed && common.size() >= typed.size())
    return line_.Replace(completion.start, common);
  if (!second) return false;
  ListCandidates(candidates, result);
  return true;
}

void LineEditor::ListCandidates(const std::vector<std::string>& candidates, Result& result) {
  result.output += display_.Finish();
  const size_t count = std::min(candidates.size(), kMaxListedCandidates);
  size_t width = 0;
  for (size_t i = 0; i < count; ++i) width = std::max(width, candidates[i].size() + 2);
  const size_t per_row = std::max<size_t>(1, static_cast<size_t>(display_.columns()) / width);
  for (size_t i = 0; i < count; ++i) {
    const bool last = i % per_row == per_row - 1 || i + 1 == count;
    absl::StrAppend(&result.output, candidates[i]);
    if (last) {
      result.output += "\r\n";
    } else {
      result.output.append(width - candidates[i].size(), ' ');
    }
  }
  if (count < candidates.size())
    absl::StrAppend(&result.output, "... and ", candidates.size() - count, " more\r\n");
}

}  // namespace pyrene::xl
