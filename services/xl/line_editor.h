// SPDX-License-Identifier: Apache-2.0
// Editing of the shell's command line on a serial terminal.  Bytes go in, bytes for the terminal
// and finished lines come out; there is no input or output of its own, nor time.
//
//   Left Right, Ctrl-B Ctrl-F              move by a character
//   Ctrl-Left Ctrl-Right, Alt-B Alt-F      move by a word
//   Home End, Ctrl-A Ctrl-E                move to the beginning, to the end
//   Backspace, Ctrl-H; Delete, Ctrl-D      delete the character before, at the cursor
//   Ctrl-U, Ctrl-K                         cut to the beginning, to the end
//   Ctrl-W, Alt-Backspace                  cut the word before, up to a blank, up to a mark
//   Alt-D                                  cut the word behind
//   Ctrl-Y                                 paste what was cut
//   Ctrl-T                                 exchange two characters
//   Up Down, Ctrl-P Ctrl-N                 older and newer lines
//   Ctrl-R                                 search backwards; again: further; Ctrl-G: give up
//   Tab                                    complete; a second one lists what is possible
//   Ctrl-L                                 clear the screen
//   Ctrl-C                                 drop the line
//   Ctrl-D on an empty line                end of input
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/xl/key_decoder.h"
#include "services/xl/line_buffer.h"
#include "services/xl/line_display.h"
#include "services/xl/line_history.h"

namespace pyrene::xl {

inline constexpr int kDefaultColumns = 80;
inline constexpr size_t kMaxHistoryLines = 200;
inline constexpr size_t kMaxListedCandidates = 100;

// What the text between `start` and the cursor may become.
struct Completion {
  size_t start = 0;
  std::vector<std::string> candidates;
};

class LineEditor {
 public:
  // Called with the line up to the cursor.
  using Completer = std::function<Completion(absl::string_view line)>;

  struct Result {
    std::string output;               // for the terminal
    std::optional<std::string> line;  // Enter: the line, without its end
    bool interrupted = false;         // Ctrl-C: the line is dropped
    bool end_of_input = false;        // Ctrl-D on an empty line
    // With each of these three events the output has gone to the beginning of the next row.
  };

  explicit LineEditor(std::string prompt, Completer completer = nullptr,
                      int columns = kDefaultColumns);

  // Shows the prompt and the line so far.  To be called before the first byte, after a result with
  // one of the three events once the command is done, and after Suspend.  The terminal's cursor
  // stands at the beginning of a row.
  std::string Resume() { return Refresh(); }
  // Takes prompt and line away, so that something else can be printed.
  std::string Suspend() { return display_.Erase(); }

  Result Feed(uint8_t byte);

  // Between Suspend and Resume.
  void SetColumns(int columns) { display_.SetColumns(columns); }

  const LineBuffer& line() const { return line_; }
  const LineHistory& history() const { return history_; }

 private:
  struct Search {
    std::string text;
    std::optional<size_t> match;  // number of the line in the history
    bool failed = false;
    std::string line_before;
    size_t cursor_before = 0;
  };

  std::string Refresh();
  bool HandleKey(const KeyPress& key, Result& result);
  bool HandleControl(char letter, Result& result);
  bool HandleSearchKey(const KeyPress& key, bool& done);
  void BeginSearch();
  bool FindAgain(size_t before);
  bool HandleTab(bool second, Result& result);
  void ListCandidates(const std::vector<std::string>& candidates, Result& result);
  bool Kill(std::string text, bool forwards);
  bool ShowHistory(const std::string* line);
  void EndLine(Result& result);

  const std::string prompt_;
  const Completer completer_;
  KeyDecoder decoder_;
  LineBuffer line_;
  LineHistory history_{kMaxHistoryLines};
  LineDisplay display_;
  std::optional<Search> search_;
  std::string killed_;
  bool last_was_kill_ = false;  // the key before cut something,
  bool joins_kill_ = false;     // so what this one cuts joins it
  bool last_was_tab_ = false;
};

}  // namespace pyrene::xl
