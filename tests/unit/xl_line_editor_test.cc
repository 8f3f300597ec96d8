// SPDX-License-Identifier: Apache-2.0
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "services/xl/line_editor.h"
#include "services/xl/utf8.h"
#include "tests/unit/xl_fake_terminal.h"

namespace pyrene::xl {
namespace {

// Octal, because a hexadecimal escape would take the letter in.
constexpr char kAltB[] = "\033b";
constexpr char kAltD[] = "\033d";
constexpr char kAltF[] = "\033f";
constexpr char kUp[] = "\x1b[A";
constexpr char kDown[] = "\x1b[B";
constexpr char kRight[] = "\x1b[C";
constexpr char kLeft[] = "\x1b[D";

std::string Ctrl(char letter) { return std::string(1, static_cast<char>(letter - 'a' + 1)); }

// An editor at a terminal, with whatever it reported.
class Session {
 public:
  explicit Session(LineEditor::Completer completer = nullptr, int columns = 80, bool eager = false)
      : editor_("$ ", std::move(completer), columns), terminal_(columns, eager) {
    terminal_.Write(editor_.Resume());
  }

  Session& Type(absl::string_view bytes) {
    for (const char byte : bytes) {
      const LineEditor::Result result = editor_.Feed(static_cast<uint8_t>(byte));
      terminal_.Write(result.output);
      if (result.line.has_value()) lines_.push_back(*result.line);
      interrupts_ += result.interrupted ? 1 : 0;
      ends_ += result.end_of_input ? 1 : 0;
      if (result.line.has_value() || result.interrupted || result.end_of_input)
        terminal_.Write(editor_.Resume());
    }
    return *this;
  }

  std::string Text() const { return editor_.line().text(); }
  size_t Cursor() const { return editor_.line().cursor(); }
  LineEditor& editor() { return editor_; }
  Terminal& terminal() { return terminal_; }
  const std::vector<std::string>& lines() const { return lines_; }
  int interrupts() const { return interrupts_; }
  int ends() const { return ends_; }

 private:
  LineEditor editor_;
  Terminal terminal_;
  std::vector<std::string> lines_;
  int interrupts_ = 0;
  int ends_ = 0;
};

TEST(LineEditor, TypingAndEnter) {
  Session session;
  session.Type("xl list\r");
  EXPECT_EQ(session.lines(), (std::vector<std::string>{"xl list"}));
  EXPECT_EQ(session.terminal().Screen(), (std::vector<std::string>{"$ xl list", "$"}));
}

TEST(LineEditor, EveryEndOfLineEndsOne) {
  Session session;
  session.Type("a\rb\nc\r\nd\n\ne\r\r");
  EXPECT_EQ(session.lines(), (std::vector<std::string>{"a", "b", "c", "d", "", "e", ""}));
}

TEST(LineEditor, EchoOfPlainTypingIsJustTheCharacter) {
  LineEditor editor("$ ");
  EXPECT_EQ(editor.Resume(), "$ ");
  EXPECT_EQ(editor.Feed('x').output, "x");
  EXPECT_EQ(editor.Feed('\xc3').output, "");
  EXPECT_EQ(editor.Feed('\xa4').output, "\xc3\xa4");
  EXPECT_EQ(editor.Feed(0x7f).output, "\b\x1b[J");
  EXPECT_EQ(editor.Feed('\r').output, "\r\n");
}

TEST(LineEditor, MovingAndInserting) {
  Session session;
  session.Type("bd").Type(kLeft).Type("c").Type(Ctrl('a')).Type("a").Type(Ctrl('e')).Type("e");
  EXPECT_EQ(session.Text(), "abcde");
  session.Type("\x1b[H-\x1b[F+\x1bOH<\x1bOF>\x1b[1~(\x1b[4~)\x1b[7~{\x1b[8~}");
  EXPECT_EQ(session.Text(), "{(<-abcde+>)}");
  session.Type(Ctrl('b')).Type(Ctrl('b')).Type("1").Type(Ctrl('f')).Type("2").Type(
      "\x1bOD3\x1bOC4");
  EXPECT_EQ(session.Text(), "{(<-abcde+>1)324}");
  EXPECT_EQ(session.terminal().Screen(), (std::vector<std::string>{"$ {(<-abcde+>1)324}"}));
}

TEST(LineEditor, Deleting) {
  Session session;
  session.Type("abcdef")
      .Type("\b\x7f")
      .Type(Ctrl('a'))
      .Type("\x1b[3~")
      .Type(Ctrl('d'))
      .Type(Ctrl('f'))
      .Type("\b");
  EXPECT_EQ(session.Text(), "d");
  const int bells = session.terminal().bells();
  session.Type("\b\x1b[3~").Type(Ctrl('f')).Type(Ctrl('h'));
  EXPECT_EQ(session.Text(), "");
  EXPECT_EQ(session.terminal().bells(), bells + 3);
}

TEST(LineEditor, KillingAndPasting) {
  Session session;
  session.Type("one two  three").Type(Ctrl('w'));
  EXPECT_EQ(session.Text(), "one two  ");
  session.Type(Ctrl('w')).Type(Ctrl('y'));
  EXPECT_EQ(session.Text(), "one two  three");
  session.Type(Ctrl('a')).Type(Ctrl('k')).Type("x").Type(Ctrl('y')).Type(Ctrl('y'));
  EXPECT_EQ(session.Text(), "xone two  threeone two  three");
  session.Type(Ctrl('u'));
  EXPECT_EQ(session.Text(), "");
  session.Type("/local/domain").Type("\x1b\x7f");
  EXPECT_EQ(session.Text(), "/local/");
  session.Type(Ctrl('a')).Type(kAltD);
  EXPECT_EQ(session.Text(), "/");
  session.Type(Ctrl('y'));
  EXPECT_EQ(session.Text(), "/local/");
}

TEST(LineEditor, Words) {
  Session session;
  session.Type("xl create a.cfg")
      .Type(kAltB)
      .Type("<")
      .Type("\x1b[1;5D")
      .Type("\x1b[1;5D")
      .Type("|");
  EXPECT_EQ(session.Text(), "xl |create a.<cfg");
  session.Type(Ctrl('a')).Type(kAltF).Type("1").Type("\x1b[1;5C").Type("2");
  EXPECT_EQ(session.Text(), "xl1 |create2 a.<cfg");
}

TEST(LineEditor, Transposing) {
  Session session;
  session.Type("ab").Type(Ctrl('t'));
  EXPECT_EQ(session.Text(), "ba");
  session.Type("cd").Type(Ctrl('b')).Type(Ctrl('b')).Type(Ctrl('t'));
  EXPECT_EQ(session.Text(), "bcad");
  EXPECT_EQ(session.Cursor(), 3u);
  session.Type(Ctrl('a')).Type(Ctrl('t'));
  EXPECT_EQ(session.Text(), "bcad");
  EXPECT_GT(session.terminal().bells(), 0);
}

TEST(LineEditor, InterruptAndEndOfInput) {
  Session session;
  session.Type("abc").Type(kLeft).Type(Ctrl('c'));
  EXPECT_EQ(session.interrupts(), 1);
  EXPECT_EQ(session.Text(), "");
  EXPECT_EQ(session.terminal().Screen(), (std::vector<std::string>{"$ abc^C", "$"}));
  session.Type(Ctrl('d'));
  EXPECT_EQ(session.ends(), 1);
  session.Type("x").Type(Ctrl('d'));
  EXPECT_EQ(session.ends(), 1);
}

TEST(LineEditor, History) {
  Session session;
  session.Type("one\rtwo\r\r  \rtwo\rthree\r");
  EXPECT_EQ(session.editor().history().lines().size(), 3u);
  session.Type("dra").Type(kUp);
  EXPECT_EQ(session.Text(), "three");
  session.Type(kUp).Type(kUp);
  EXPECT_EQ(session.Text(), "one");
  const int bells = session.terminal().bells();
  session.Type(kUp);
  EXPECT_EQ(session.terminal().bells(), bells + 1);
  session.Type(kDown).Type("+").Type(Ctrl('n'));
  EXPECT_EQ(session.Text(), "three");
  session.Type(kDown);
  EXPECT_EQ(session.Text(), "dra");
  session.Type(kDown);
  EXPECT_EQ(session.Text(), "dra");
  session.Type(Ctrl('p')).Type("\r");
  EXPECT_EQ(session.lines().back(), "three");
}

TEST(LineEditor, HistoryIsBounded) {
  LineHistory history(3);
  for (const char* line : {"a", "b", "c", "d"}) history.Add(line);
  EXPECT_EQ(history.lines().front(), "b");
  EXPECT_EQ(history.lines().size(), 3u);
}

TEST(LineEditor, ReverseSearch) {
  Session session;
  session.Type("xl list\rxl create a.cfg\rps\rxl create b.cfg\r");
  session.Type("dr").Type(kLeft).Type(Ctrl('r')).Type("cre");
  EXPECT_EQ(session.terminal().Screen().back(), "(reverse-i-search)`cre': xl create b.cfg");
  session.Type(Ctrl('r'));
  EXPECT_EQ(session.terminal().Screen().back(), "(reverse-i-search)`cre': xl create a.cfg");
  session.Type(Ctrl('r'));
  EXPECT_EQ(session.terminal().Screen().back(), "(failed reverse-i-search)`cre': xl create a.cfg");
  session.Type(Ctrl('g'));
  EXPECT_EQ(session.terminal().Screen().back(), "$ dr");
  EXPECT_EQ(session.Cursor(), 1u);
  session.Type(Ctrl('r')).Type("lix").Type("\b").Type("\r");
  EXPECT_EQ(session.lines().back(), "xl list");
  // A key that moves takes the line over; Ctrl-C drops it.
  session.Type(Ctrl('r')).Type("b.").Type(Ctrl('e')).Type("!");
  EXPECT_EQ(session.Text(), "xl create b.cfg!");
  session.Type(Ctrl('u')).Type(Ctrl('r')).Type("ps").Type(Ctrl('c'));
  EXPECT_EQ(session.Text(), "");
  EXPECT_EQ(session.interrupts(), 1);
  session.Type(Ctrl('r')).Type("zzz").Type("\r");
  EXPECT_EQ(session.lines().back(), "");
}

TEST(LineEditor, LinesAreBounded) {
  Session session;
  session.Type(std::string(kMaxLineBytes, 'x'));
  EXPECT_EQ(session.terminal().bells(), 0);
  session.Type("y").Type("\xc3\xa4");
  EXPECT_EQ(session.terminal().bells(), 2);
  EXPECT_EQ(session.Text(), std::string(kMaxLineBytes, 'x'));
  session.Type("\r");
  EXPECT_EQ(session.lines().back().size(), kMaxLineBytes);
}

TEST(LineEditor, UnknownBytesDoNothing) {
  Session session;
  session.Type("a\x1b[99~\x1b[[A\x1bx\x1b[1;2;3;4;5;6;7;8;9;10;11;12zb");
  session.Type(absl::string_view("\0", 1))
      .Type("\x1c\x1d\x1e\x1f")
      .Type(Ctrl('o'))
      .Type("\xff\x80\xc0\xaf");
  session.Type("\xc2\x80\xed\xa0\x80\xf4\x90\x80\x80")
      .Type("\xc3")
      .Type("c")
      .Type("\x1b[\x03")
      .Type("d\x1bO\x1b");
  session.Type("[De");
  EXPECT_EQ(session.Text(), "ed");
}

TEST(LineEditor, Utf8AndWideCharacters) {
  Session session;
  session.Type(
      "a\xc3\xa4\xe6\xbc\xa2"
      "e\xcc\x81z");  // a, a umlaut, a wide one, e with a combining accent, z
  EXPECT_EQ(session.terminal().column(), 2 + 1 + 1 + 2 + 1 + 1);
  session.Type(kLeft).Type(kLeft).Type("|");
  EXPECT_EQ(session.Text(), "a\xc3\xa4\xe6\xbc\xa2|e\xcc\x81z");
  session.Type("\x1b[3~").Type("\b\b");
  EXPECT_EQ(session.Text(), "a\xc3\xa4z");
  EXPECT_EQ(session.terminal().Screen(), (std::vector<std::string>{"$ a\xc3\xa4z"}));
}

TEST(LineEditor, Completing) {
  std::vector<std::string> candidates;
  Session session([&candidates](absl::string_view line) {
    const size_t space = line.rfind(' ');
    return Completion{space == absl::string_view::npos ? 0 : space + 1, candidates};
  });
  session.Type("xl li\t");
  EXPECT_EQ(session.terminal().bells(), 1);
  candidates = {"list"};
  session.Type("\t");
  EXPECT_EQ(session.Text(), "xl list ");
  candidates = {"domu-1", "domu-2"};
  session.Type("do x").Type(kLeft).Type(kLeft).Type("\t");
  EXPECT_EQ(session.Text(), "xl list domu- x");
  session.Type("\t");
  EXPECT_EQ(session.terminal().bells(), 1);
  EXPECT_EQ(session.terminal().Screen(),
            (std::vector<std::string>{"$ xl list domu- x", "domu-1  domu-2", "$ xl list domu- x"}));
  EXPECT_EQ(session.terminal().column(), 15);
  candidates = {"/boot/"};
  session.Type(Ctrl('e')).Type(" \t");
  EXPECT_EQ(session.Text(), "xl list domu- x /boot/");
}

TEST(LineEditor, CandidatesAreOnlyText) {
  Session session([](absl::string_view) { return Completion{0, {"\x1b[2J", "evil\n", "good"}}; });
  session.Type("\t");
  EXPECT_EQ(session.Text(), "good ");
}

TEST(LineEditor, LongListsAreCut) {
  std::vector<std::string> candidates;
  candidates.reserve(150);
  for (int i = 0; i < 150; ++i) candidates.push_back(absl::StrCat("name", 1000 + i));
  Session session([&candidates](absl::string_view) { return Completion{0, candidates}; });
  session.Type("\t\t\t");
  const std::vector<std::string> screen = session.terminal().Screen();
  EXPECT_EQ(screen[screen.size() - 2], "... and 50 more");
  EXPECT_EQ(screen.back(), "$ name1");
}

TEST(LineEditor, SuspendAndResume) {
  Session session(nullptr, 20);
  session.Type(std::string(50, 'x')).Type(Ctrl('a'));
  session.terminal().Write(session.editor().Suspend());
  EXPECT_TRUE(session.terminal().Screen().empty());
  session.terminal().Write("(XEN) something\r\n");
  session.terminal().Write(session.editor().Resume());
  EXPECT_EQ(session.terminal().Screen(),
            (std::vector<std::string>{"(XEN) something", "$ " + std::string(18, 'x'),
                                      std::string(20, 'x'), std::string(12, 'x')}));
  EXPECT_EQ(session.terminal().row(), 1);
  EXPECT_EQ(session.terminal().column(), 2);
}

TEST(LineEditor, ClearScreen) {
  Session session(nullptr, 20);
  session.Type("one\rtwo three").Type(kLeft).Type(Ctrl('l'));
  EXPECT_EQ(session.terminal().Screen(), (std::vector<std::string>{"$ two three"}));
  EXPECT_EQ(session.terminal().column(), 10);
}

// After any keys the screen shows prompt and line, wrapped at its width, and the cursor is where it
// belongs.
class LineEditorRandom : public ::testing::TestWithParam<bool> {};

TEST_P(LineEditorRandom, TheScreenIsTheLine) {
  const std::vector<std::string> keys = {"a",        "b",
                                         " ",        "hello world",
                                         "\xc3\xa4", "\xe6\xbc\xa2",
                                         "\xcc\x81", "\xf0\x9f\x98\x80",
                                         kLeft,      kRight,
                                         kLeft,      kRight,
                                         kUp,        kDown,
                                         "\b",       "\b",
                                         "\x1b[3~",  Ctrl('a'),
                                         Ctrl('e'),  Ctrl('k'),
                                         Ctrl('u'),  Ctrl('w'),
                                         Ctrl('y'),  Ctrl('t'),
                                         kAltB,      kAltF,
                                         kAltD,      "xxxxxxxxxxxxxxxxxxxx",
                                         "\x1b[H",   "\x1b[F"};
  for (int seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    const int columns = seed % 3 == 0 ? 7 : 2 + static_cast<int>(random() % 40);
    LineEditor editor("$ ", nullptr, columns);
    Terminal terminal(columns, GetParam());
    terminal.Write(editor.Resume());
    for (int i = 0; i < 5; ++i) {  // lines for the history
      for (int j = static_cast<int>(random() % 30); j > 0; --j)
        terminal.Write(editor.Feed('h').output);
      terminal.Write(editor.Feed('\r').output);
      terminal.Write(editor.Resume());
    }
    for (int step = 0; step < 300; ++step) {
      for (const char byte : keys[random() % keys.size()])
        terminal.Write(editor.Feed(static_cast<uint8_t>(byte)).output);
      if (HasFatalFailure()) return;

      // A fresh terminal that gets the text at once has to look the same from the line's first row
      // on.
      Terminal fresh(columns, GetParam());
      fresh.Write(absl::StrCat("$ ", editor.line().text()));
      const std::vector<std::string> expected = fresh.Screen();
      std::vector<std::string> screen = terminal.Screen();
      ASSERT_GE(screen.size(), expected.size());
      const size_t first_row = screen.size() - expected.size();
      screen.erase(screen.begin(), screen.begin() + static_cast<std::ptrdiff_t>(first_row));
      ASSERT_EQ(screen, expected) << "seed " << seed << " step " << step;

      Terminal cursor(columns, true);
      cursor.Write(absl::StrCat("$ ", editor.line().text().substr(0, editor.line().cursor())));
      int row = cursor.row();
      int column = cursor.column();
      if (column + CharacterWidth(editor.line().text(), editor.line().cursor()) > columns) {
        ++row;
        column = 0;
      }
      ASSERT_EQ(terminal.row(), static_cast<int>(first_row) + row)
          << "seed " << seed << " step " << step;
      ASSERT_EQ(terminal.column(), column) << "seed " << seed << " step " << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(BothKindsOfTerminal, LineEditorRandom, ::testing::Bool());

TEST(LineEditor, RandomBytes) {
  std::mt19937 random(5);
  LineEditor editor("$ ", [](absl::string_view line) {
    return Completion{line.size() / 2, {"abc", "abd"}};
  });
  (void)editor.Resume();
  for (int i = 0; i < 200000; ++i) {
    const uint8_t byte = static_cast<uint8_t>(random() % (random() % 2 == 0 ? 256 : 40));
    const LineEditor::Result result = editor.Feed(byte);
    ASSERT_LE(editor.line().text().size(), kMaxLineBytes);
    ASSERT_LE(editor.line().cursor(), editor.line().text().size());
    if (result.line.has_value()) (void)editor.Resume();
  }
  EXPECT_LE(editor.history().lines().size(), kMaxHistoryLines);
}

TEST(Utf8, Decoding) {
  EXPECT_EQ(Utf8Decode("a"), 'a');
  EXPECT_EQ(Utf8Decode("\xc3\xa4"), 0xe4);
  EXPECT_EQ(Utf8Decode("\xf0\x9f\x98\x80"), 0x1f600);
  for (const char* bad : {"", "\x80", "\xc0\xaf", "\xc3", "\xc3z", "\xe0\x80\xaf", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xff"}) {
    EXPECT_EQ(Utf8Decode(bad), -1) << bad;
  }
  EXPECT_EQ(CodePointWidth('a'), 1);
  EXPECT_EQ(CodePointWidth(0x301), 0);
  EXPECT_EQ(CodePointWidth(0x6f22), 2);
  EXPECT_EQ(CodePointWidth(0x1f600), 2);
}

}  // namespace
}  // namespace pyrene::xl
