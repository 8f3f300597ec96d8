// SPDX-License-Identifier: Apache-2.0
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "services/xl/command_line.h"
#include "services/xl/command_table.h"
#include "services/xl/completion.h"
#include "services/xl/options.h"

namespace pyrene::xl {
namespace {

using Words = std::vector<std::string>;

// Commands joined by ';', words by '|'.
std::string Parse(const std::string& line, int status = 0) {
  absl::StatusOr<std::vector<Command>> commands = ParseCommandLine(line);
  if (!commands.ok()) return std::string(commands.status().message());
  Words texts;
  for (const Command& command : *commands)
    texts.push_back(absl::StrJoin(ExpandCommand(command, status), "|"));
  return absl::StrJoin(texts, ";");
}

TEST(CommandLine, Words) {
  EXPECT_EQ(Parse(""), "");
  EXPECT_EQ(Parse("  # nothing"), "");
  EXPECT_EQ(Parse("xl list -v"), "xl|list|-v");
  EXPECT_EQ(Parse("\txl  list \r\n"), "xl|list");
  EXPECT_EQ(Parse("a;b ; ; c;"), "a;b;c");
  EXPECT_EQ(Parse("a#b c # d"), "a#b|c");
  EXPECT_EQ(Parse("'a b' \"c d\" e\\ f"), "a b|c d|e f");
  EXPECT_EQ(Parse("'' \"\" x''y"), "||xy");
  EXPECT_EQ(Parse(R"('\n' "\n\"\\\$" \n)"), R"(\n|\n"\$|n)");
  EXPECT_EQ(Parse("extra='root=/dev/xvda quiet'"), "extra=root=/dev/xvda quiet");
  EXPECT_EQ(Parse("disk=\"['phy:/x,xvda,w']\""), "disk=['phy:/x,xvda,w']");
  EXPECT_EQ(Parse("a';'b\\;c"), "a;b;c");
  EXPECT_EQ(ParseCommandLine("a';'b\\;c")->size(), 1u);
  EXPECT_EQ(Parse("\xc3\xa4 b"), "\xc3\xa4|b");
}

TEST(CommandLine, Status) {
  EXPECT_EQ(Parse("echo $? \"<$?>\" '$?' a$?b$?", 17), "echo|17|<17>|$?|a17b17");
  EXPECT_EQ(Parse("echo $ a$ \"$\" $."), "echo|$|a$|$|$.");
  absl::StatusOr<std::vector<Command>> commands = ParseCommandLine("x; echo $?");
  EXPECT_EQ(ExpandCommand((*commands)[1], 1), (Words{"echo", "1"}));
  EXPECT_EQ(ExpandCommand((*commands)[1], -2), (Words{"echo", "-2"}));
}

TEST(CommandLine, Errors) {
  EXPECT_EQ(Parse("a 'b"), "column 3: the quote is not closed");
  EXPECT_EQ(Parse("a \"b"), "column 3: the quote is not closed");
  EXPECT_EQ(Parse("a \"b\\"), "column 3: the quote is not closed");
  EXPECT_EQ(Parse("a\\"), "column 2: nothing follows the backslash");
  EXPECT_EQ(Parse("a | b"), "column 3: '|' has no meaning here; quote it");
  EXPECT_EQ(Parse("a && b"), "column 3: '&' has no meaning here; quote it");
  EXPECT_EQ(Parse("a >b"), "column 3: '>' has no meaning here; quote it");
  EXPECT_EQ(Parse("a `b`"), "column 3: '`' has no meaning here; quote it");
  EXPECT_EQ(Parse("echo $HOME"), "column 6: there are no variables but $?; quote the dollar sign");
  EXPECT_EQ(Parse("echo \"${x}\""),
            "column 7: there are no variables but $?; quote the dollar sign");
  std::string words;
  for (size_t i = 0; i < kMaxWords; ++i) words += "a ";
  EXPECT_TRUE(ParseCommandLine(words).ok());
  EXPECT_EQ(Parse(words + "a"), "column 513: more than 256 words");
  std::string commands;
  for (size_t i = 0; i < kMaxCommands; ++i) commands += "a;";
  EXPECT_TRUE(ParseCommandLine(commands).ok());
  EXPECT_EQ(Parse(commands + "a"), "column 514: more than 256 commands");
}

TEST(CommandLine, QuotedWordsComeBack) {
  std::mt19937 random(4);
  for (int round = 0; round < 3000; ++round) {
    std::string word;
    for (size_t length = random() % 8; length > 0; --length)
      word += static_cast<char>(1 + random() % 255);
    EXPECT_EQ(Parse(QuoteWord(word)), word);
  }
  EXPECT_EQ(QuoteWord("/boot/guest.cfg"), "/boot/guest.cfg");
  EXPECT_EQ(QuoteWord("a b"), "'a b'");
  EXPECT_EQ(QuoteWord(""), "''");
}

constexpr OptionSpec kSpecs[] = {
    {'v', "verbose", "", ""}, {'c', "", "", ""},     {'f', "defconfig", "FILE", ""},
    {'n', "dryrun", "", ""},  {'w', "wait", "", ""},
};

std::string Options(const Words& words, bool stop = false) {
  absl::StatusOr<ParsedOptions> options = ParseOptions(words, kSpecs, stop);
  if (!options.ok()) return std::string(options.status().message());
  std::string text = options->help ? "help " : "";
  for (const OptionSpec& spec : kSpecs) {
    for (int i = 0; i < options->Count(spec.letter); ++i) text += spec.letter;
  }
  if (options->Has('f')) absl::StrAppend(&text, "(", options->Value('f'), ")");
  return absl::StrCat(text, " ", absl::StrJoin(options->arguments, "|"));
}

TEST(Options, AsGetopt) {
  EXPECT_EQ(Options({}), " ");
  EXPECT_EQ(Options({"-v", "dom"}), "v dom");
  EXPECT_EQ(Options({"dom", "-cv", "x"}), "vc dom|x");
  EXPECT_EQ(Options({"-f", "a.cfg", "memory=256"}), "f(a.cfg) memory=256");
  EXPECT_EQ(Options({"-fa.cfg"}), "f(a.cfg) ");
  EXPECT_EQ(Options({"-cfa.cfg"}), "cf(a.cfg) ");
  EXPECT_EQ(Options({"--defconfig=a", "--defconfig", "b"}), "ff(b) ");
  EXPECT_EQ(Options({"--verb", "--dry"}), "vn ");
  EXPECT_EQ(Options({"-w", "--wait"}), "ww ");
  EXPECT_EQ(Options({"-v", "--", "-c", "--x"}), "v -c|--x");
  EXPECT_EQ(Options({"-"}), " -");
  EXPECT_EQ(Options({"-h"}), "help  ");
  EXPECT_EQ(Options({"x", "--help"}), "help  x");
  EXPECT_EQ(Options({"-v", "create", "-c"}, true), "v create|-c");
  EXPECT_EQ(Options({"-f", "-v"}), "f(-v) ");
}

TEST(Options, Errors) {
  EXPECT_EQ(Options({"-x"}), "option `x' not supported.");
  EXPECT_EQ(Options({"-vx"}), "option `x' not supported.");
  EXPECT_EQ(Options({"--foo=1"}), "option `--foo' not supported.");
  EXPECT_EQ(Options({"--d"}), "option `--d' not supported.");
  EXPECT_EQ(Options({"-f"}), "option `f' requires an argument.");
  EXPECT_EQ(Options({"--defconfig"}), "option `--defconfig' requires an argument.");
  EXPECT_EQ(Options({"--verbose=1"}), "option `--verbose' takes no argument.");
}

absl::StatusOr<ParsedOptions> Xl(const std::string& command, const Words& words) {
  return ParseArguments(XlCommands(), *FindCommand(XlCommands(), command), words);
}

TEST(Commands, XlCreateAndList) {
  absl::StatusOr<ParsedOptions> create = Xl("create", {"-c", "-p", "guest.cfg", "memory=256"});
  ASSERT_TRUE(create.ok());
  EXPECT_TRUE(create->Has('c') && create->Has('p') && !create->Has('q'));
  EXPECT_EQ(create->arguments, (Words{"guest.cfg", "memory=256"}));
  EXPECT_TRUE(Xl("list", {"-v"})->Has('v'));
  EXPECT_EQ(Xl("shutdown", {"-w", "dom"})->arguments, (Words{"dom"}));
  EXPECT_TRUE(Xl("create", {"--ignore-global-affinity-masks"})->Has(kOptionIgnoreAffinityMasks));
}

TEST(Commands, WrongArguments) {
  absl::StatusOr<ParsedOptions> destroy = Xl("destroy", {});
  EXPECT_EQ(destroy.status().message().substr(0, 52),
            "'xl destroy' requires at least 1 argument.\n\nUsage: x");
  EXPECT_EQ(Xl("destroy", {"a", "b"}).status().message().substr(0, 43),
            "'xl destroy' takes at most 1 argument.\n\nUsa");
  EXPECT_EQ(Xl("destroy", {"-q"}).status().message(), "option `q' not supported.\n");
  EXPECT_TRUE(Xl("destroy", {"-h"})->help);
  EXPECT_EQ(
      ParseArguments(ShellCommands(), *FindCommand(ShellCommands(), "xenstore-write"), Words{"a"})
          .status()
          .message()
          .substr(0, 48),
      "'xenstore-write' requires at least 2 arguments.\n");
}

TEST(Commands, EveryOneHasHelp) {
  for (const CommandTable* table : {&XlCommands(), &ShellCommands()}) {
    for (const CommandSpec& command : table->commands) {
      const std::string help = CommandHelp(*table, command);
      EXPECT_NE(help.find(std::string(command.summary)), std::string::npos) << command.name;
      EXPECT_FALSE(command.summary.empty() || command.summary.back() == '.') << command.name;
      EXPECT_EQ(FindCommand(*table, command.name), &command) << command.name << " comes twice";
      for (const OptionSpec& option : command.options)
        EXPECT_FALSE(option.help.empty()) << command.name;
      for (const std::string& line : std::vector<std::string>(absl::StrSplit(help, '\n'))) {
        EXPECT_LE(line.size(), 100u) << line;
      }
    }
  }
  EXPECT_EQ(FindCommand(XlCommands(), "migrate"), nullptr);
}

TEST(Commands, HelpSaysThatThereIsNoDom0) {
  EXPECT_NE(ShellHelp().find("There is no Dom0"), std::string::npos);
  EXPECT_NE(ShellHelp().find("'xl list' shows guests only"), std::string::npos);
  EXPECT_NE(XlHelp().find("There is no Dom0"), std::string::npos);
  EXPECT_EQ(XlHelp().substr(0, 40), "Usage xl [-vfNtT] <subcommand> [args]\n\nx");
}

TEST(Commands, HelpForOne) {
  EXPECT_EQ(XlHelpFor("destroy"),
            "Usage: xl destroy [options] <Domain>\n\nEnd a guest at once.\n\nOptions:\n\n"
            "-f                      No effect: there is no domain 0 to protect.\n"
            "-h, --help              Print this help.\n\n");
  EXPECT_EQ(XlHelpFor("pause"), "Usage: xl pause <Domain>\n\nStop a guest's vCPUs.\n\n");
  EXPECT_EQ(ShellHelpFor("xl", "pause"), XlHelpFor("pause"));
  EXPECT_EQ(ShellHelpFor("xl"), XlHelp());
  EXPECT_EQ(ShellHelpFor("nope"), "command \"nope\" not implemented\n");
  EXPECT_EQ(ShellHelpFor("ps").substr(0, 12), "Usage: ps [-");
}

CompletionSources Sources() {
  CompletionSources sources;
  sources.domains = [] { return Words{"domu", "debian", "db"}; };
  sources.services = [] { return Words{"console", "xenstore"}; };
  sources.files = [](absl::string_view typed) {
    return typed == "/boot/" ? Words{"/boot/a b", "/boot/guest.cfg"} : Words{"/boot/", "guest.cfg"};
  };
  sources.xenstore_paths = [](absl::string_view) { return Words{"/local/", "/vm/"}; };
  return sources;
}

std::string Complete(const std::string& line) {
  const Completion completion = CompleteCommandLine(line, Sources());
  return absl::StrCat(completion.start, ":", absl::StrJoin(completion.candidates, "|"));
}

TEST(Completion, EachKindOfWord) {
  EXPECT_EQ(Complete("po"), "0:poweroff");
  EXPECT_EQ(Complete("xl cr"), "3:create");
  EXPECT_EQ(Complete("ps; xl  pau"), "8:pause");
  EXPECT_EQ(Complete("xl -v cr"), "6:create");
  EXPECT_EQ(Complete("xl list d"), "8:db|debian|domu");
  EXPECT_EQ(Complete("xl list "), "8:db|debian|domu");
  EXPECT_EQ(Complete("xl list --lo"), "8:--long");
  EXPECT_EQ(Complete("xl create --def"), "10:--defconfig=");
  EXPECT_EQ(Complete("xl -"), "3:--help|-N|-T|-f|-t|-v");
  EXPECT_EQ(Complete("xl create "), "10:/boot/|guest.cfg");
  EXPECT_EQ(Complete("cat /boot/"), "4:'/boot/a b'|/boot/guest.cfg");
  EXPECT_EQ(Complete("kill c"), "5:console");
  EXPECT_EQ(Complete("xenstore-ls /l"), "12:/local/");
  EXPECT_EQ(Complete("help pow"), "5:poweroff");
  EXPECT_EQ(Complete("help xl pau"), "8:pause");
  EXPECT_EQ(Complete("xl help pau"), "8:pause");
  EXPECT_EQ(Complete("nope x"), "5:");
  EXPECT_EQ(Complete("xl nope x"), "8:");
  EXPECT_EQ(Complete("date x"), "5:");
  EXPECT_EQ(Complete("cat 'a"), "0:");
  EXPECT_EQ(CompleteCommandLine("xl list ", {}).candidates, Words{});
}

TEST(Completion, AnEmptyLineOffersAllCommands) {
  EXPECT_EQ(CompleteCommandLine("", Sources()).candidates.size(), ShellCommands().commands.size());
}

}  // namespace
}  // namespace pyrene::xl
