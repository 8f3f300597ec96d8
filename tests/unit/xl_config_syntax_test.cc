// SPDX-License-Identifier: Apache-2.0
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/xl/config_syntax.h"

namespace pyrene::xl {
namespace {

ConfigEntries Parse(const std::string& text) {
  absl::StatusOr<ConfigEntries> entries = ParseConfig("g.cfg", text);
  EXPECT_TRUE(entries.ok()) << entries.status();
  return entries.ok() ? *entries : ConfigEntries{};
}

std::string ErrorOf(const std::string& text) {
  absl::StatusOr<ConfigEntries> entries = ParseConfig("g.cfg", text);
  EXPECT_FALSE(entries.ok()) << text;
  if (entries.ok()) return "";
  EXPECT_EQ(entries.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(entries.status().message());
}

std::string ValueOf(const ConfigEntries& entries, const std::string& key) {
  const ConfigEntry* entry = FindConfigEntry(entries, key);
  if (entry == nullptr) return "(none)";
  std::string text;
  for (const ConfigAtom& atom : entry->value.atoms) {
    absl::StrAppend(&text, text.empty() ? "" : "|", atom.text);
  }
  return entry->value.is_list ? absl::StrCat("[", text, "]") : text;
}

TEST(ConfigSyntax, EverythingAtOnce) {
  const ConfigEntries entries = Parse(
      "# a guest\n"
      "name = \"domu\"\n"
      "kernel='/boot/vmlinuz'; memory = 128 ;; vcpus=0x2\n"
      "\n"
      "octal = 017\t# comment\n"
      "disk = [ 'phy:/dev/ram0,xvda,w',  # first\n"
      "         \"b\" ,\n"
      "\n"
      "         12, ]\n"
      "empty = []\r\n"
      "a.b_9 = ''");
  ASSERT_EQ(entries.size(), 8u);
  EXPECT_EQ(ValueOf(entries, "name"), "domu");
  EXPECT_EQ(ValueOf(entries, "kernel"), "/boot/vmlinuz");
  EXPECT_EQ(ValueOf(entries, "memory"), "128");
  EXPECT_EQ(ValueOf(entries, "vcpus"), "0x2");
  EXPECT_EQ(ValueOf(entries, "octal"), "017");
  EXPECT_EQ(ValueOf(entries, "disk"), "[phy:/dev/ram0,xvda,w|b|12]");
  EXPECT_EQ(ValueOf(entries, "empty"), "[]");
  EXPECT_EQ(ValueOf(entries, "a.b_9"), "");
  EXPECT_EQ(entries[0].location.ColumnText(), "g.cfg:2:1");
  EXPECT_EQ(entries[2].key, "memory");
  EXPECT_EQ(entries[2].location.ColumnText(), "g.cfg:3:25");
  EXPECT_EQ(FindConfigEntry(entries, "disk")->value.atoms[2].line, 9);
  EXPECT_TRUE(entries[0].value.atoms[0].quoted);
  EXPECT_FALSE(entries[2].value.atoms[0].quoted);
}

TEST(ConfigSyntax, NothingIsAFile) {
  EXPECT_TRUE(Parse("").empty());
  EXPECT_TRUE(Parse("\n\n ; ;\n# only this").empty());
}

TEST(ConfigSyntax, LastEntryCounts) {
  const ConfigEntries entries = Parse("a=1\nb=2\na=3\n");
  EXPECT_EQ(entries.size(), 3u);
  EXPECT_EQ(ValueOf(entries, "a"), "3");
  EXPECT_EQ(FindConfigEntry(entries, "a")->location.line, 3);
  EXPECT_EQ(FindConfigEntry(entries, "c"), nullptr);
}

TEST(ConfigSyntax, Escapes) {
  const ConfigEntries entries =
      Parse(R"(a = "\a\b\f\n\r\t\v\\\'\"" ; b = 'it\'s "q"' ; c = "\x41\101\7z" ; d="\x7e\377")");
  EXPECT_EQ(ValueOf(entries, "a"), "\a\b\f\n\r\t\v\\'\"");
  EXPECT_EQ(ValueOf(entries, "b"), "it's \"q\"");
  EXPECT_EQ(ValueOf(entries, "c"), "AA\az");
  EXPECT_EQ(ValueOf(entries, "d"), "~\xff");
  EXPECT_EQ(ErrorOf("a = \"x\\q\""), "g.cfg:1:7: unknown escape in a string");
  EXPECT_EQ(ErrorOf("a = \"\\x4\""), "g.cfg:1:6: \\x needs two hexadecimal digits");
  EXPECT_EQ(ErrorOf("a = \"\\400\""), "g.cfg:1:6: the octal escape does not fit into a byte");
  EXPECT_EQ(ErrorOf("a = \"\\0\""), "g.cfg:1:6: a string cannot contain a NUL");
  EXPECT_EQ(ErrorOf("a = '\\"), "g.cfg:1:6: unknown escape in a string");
}

TEST(ConfigSyntax, Appending) {
  ConfigEntries entries = Parse(
      "extra='a'\nextra+=' b'\nextra += ' c'\n"
      "disk=['1']\ndisk+=['2','3']\nnew+=['x']\nmixed='a'\nmixed+=1\n");
  EXPECT_EQ(entries.size(), 4u);
  EXPECT_EQ(ValueOf(entries, "mixed"), "a1");
  EXPECT_EQ(ValueOf(entries, "extra"), "a b c");
  EXPECT_EQ(ValueOf(entries, "disk"), "[1|2|3]");
  EXPECT_EQ(ValueOf(entries, "new"), "[x]");
  ASSERT_TRUE(AddConfigOverride("extra+=' d'", entries).ok());
  EXPECT_EQ(ValueOf(entries, "extra"), "a b c d");
  EXPECT_EQ(ErrorOf("a='1'\na+=['2']"), "g.cfg:2:1: += cannot join a list and a single value");
  EXPECT_EQ(ErrorOf("a=1\na+=2"), "g.cfg:2:1: += cannot join numbers");
}

TEST(ConfigSyntax, ErrorsSayWhereAndWhat) {
  constexpr struct {
    const char* text;
    const char* error;
  } kCases[] = {
      {"a = foo", "g.cfg:1:5: text needs quotes: 'foo'"},
      {"a = ", "g.cfg:1:5: expected a value, not the end of the file"},
      {"a\n", "g.cfg:1:2: expected '=' after the key 'a', not the end of the line"},
      {"\n\n  = 1", "g.cfg:3:3: expected a key, not '='"},
      {"a = 1 b = 2", "g.cfg:1:7: expected a newline or ';' after the value, not 'b'"},
      {"Name = 'x'", "g.cfg:1:1: unexpected 'N'"},
      {"a = 'x", "g.cfg:1:5: the string that begins here has no closing quote"},
      {"a = 'x\n'", "g.cfg:1:5: the string that begins here has no closing quote"},
      {"a = 128M", "g.cfg:1:5: '128M' is not a number; text needs quotes"},
      {"a = 0-3", "g.cfg:1:5: '0-3' is not a number; text needs quotes"},
      {"a = 0x", "g.cfg:1:5: '0x' is not a number; text needs quotes"},
      {"a = 08", "g.cfg:1:5: '08' is not a number; text needs quotes"},
      {"a = 99999999999999999999",
       "g.cfg:1:5: '99999999999999999999' is too large; text needs quotes"},
      {"a = -1", "g.cfg:1:5: unexpected '-'"},
      {"a = [ 'x'", "g.cfg:1:5: the list that begins here is not closed by ']'"},
      {"a = [ 'x' 'y' ]", "g.cfg:1:11: expected ',' or ']', not a string"},
      {"a = [ , ]", "g.cfg:1:7: expected a list element, not ','"},
      {"a = [ 'x',, ]", "g.cfg:1:11: expected a list element, not ','"},
      {"a = [\n'x'\n;]", "g.cfg:3:1: expected ',' or ']', not ';'"},
      {"a = [ ['x'] ]", "g.cfg:1:7: a list inside a list is not supported"},
      {"a = [ x ]", "g.cfg:1:7: text needs quotes: 'x'"},
      {"a = ]", "g.cfg:1:5: expected a value, not ']'"},
      {"import os", "g.cfg:1:8: expected '=' after the key 'import', not 'os'"},
      {"a = 1 + 2", "g.cfg:1:7: unexpected '+'"},
      {"a\x01", "g.cfg:1:2: unexpected byte 0x01"},
      {"a = 1\rb", "g.cfg:1:6: unexpected byte 0x0d"},
  };
  for (const auto& test : kCases) EXPECT_EQ(ErrorOf(test.text), test.error) << test.text;
  EXPECT_EQ(ErrorOf(std::string("a='\0'", 5)), "g.cfg:1:4: unexpected byte 0x00");
  EXPECT_EQ(ErrorOf(std::string("\0", 1)), "g.cfg:1:1: unexpected byte 0x00");
}

TEST(ConfigSyntax, Bounds) {
  std::string list = "a=[";
  for (size_t i = 0; i < kMaxConfigListItems; ++i) list += "1,";
  EXPECT_TRUE(ParseConfig("f", list + "]").ok());
  EXPECT_NE(ErrorOf(list + "1]").find("more than 256 elements"), std::string::npos);

  std::string many;
  for (size_t i = 0; i < kMaxConfigEntries; ++i) many += "a=1\n";
  EXPECT_TRUE(ParseConfig("f", many).ok());
  EXPECT_EQ(ErrorOf(many + "a=1"), "g.cfg:513:1: more than 512 settings");

  const std::string big = absl::StrCat("a='", std::string(kMaxConfigBytes - 4, 'x'), "'");
  EXPECT_EQ(big.size(), kMaxConfigBytes);
  EXPECT_TRUE(ParseConfig("f", big).ok());
  EXPECT_EQ(ErrorOf(big + "\n"), "g.cfg:1:1: the file is longer than 65536 bytes");

  // Lists joined by += are bounded too.
  std::string joined = "a=[" + list.substr(3) + "]\na+=['x']";
  EXPECT_EQ(ErrorOf(joined), "g.cfg:2:1: more than 256 elements in a list");
}

TEST(ConfigSyntax, Overrides) {
  ConfigEntries entries = Parse("name='a'\nmemory=64\n");
  for (const char* argument :
       {"memory=256", "name=b", "extra=root=/dev/xvda console=hvc0", "disk=['x,y']", "cpus=0-3",
        "kernel='/boot/v'", "uuid=872c92a6-4f8b-41f5-b230-52098c3a55b8", "vcpus = 0x4",
        "ramdisk="}) {
    absl::Status status = AddConfigOverride(argument, entries);
    EXPECT_EQ(status.ok(), std::string(argument) != "ramdisk=") << argument << status;
  }
  EXPECT_EQ(ValueOf(entries, "memory"), "256");
  EXPECT_EQ(ValueOf(entries, "name"), "b");
  EXPECT_EQ(ValueOf(entries, "extra"), "root=/dev/xvda console=hvc0");
  EXPECT_EQ(ValueOf(entries, "disk"), "[x,y]");
  EXPECT_EQ(ValueOf(entries, "cpus"), "0-3");
  EXPECT_EQ(ValueOf(entries, "kernel"), "/boot/v");
  EXPECT_EQ(ValueOf(entries, "uuid"), "872c92a6-4f8b-41f5-b230-52098c3a55b8");
  EXPECT_EQ(ValueOf(entries, "vcpus"), "0x4");
  EXPECT_EQ(FindConfigEntry(entries, "name")->location.LineText(), "command line:1");

  const size_t count = entries.size();
  EXPECT_EQ(AddConfigOverride("Memory=256", entries).message(), "command line:1:1: unexpected 'M'");
  EXPECT_EQ(AddConfigOverride("=b", entries).message(),
            "command line:1:1: expected a key, not '='");
  EXPECT_EQ(AddConfigOverride("b", entries).message(),
            "command line:1:2: expected '=' after the key 'b', not the end of the file");
  EXPECT_EQ(AddConfigOverride("#=b", entries).message(),
            "command line:1:1: expected one key=value");
  EXPECT_EQ(AddConfigOverride("a='", entries).message(),
            "command line:1:3: the string that begins here has no closing quote");
  EXPECT_EQ(AddConfigOverride("a=" + std::string(kMaxConfigBytes + 1, 'x'), entries).message(),
            "command line:1:1: the value is longer than 65536 bytes");
  EXPECT_EQ(entries.size(), count);
}

TEST(ConfigSyntax, Integers) {
  const auto value = [](const char* text) { return ConfigInteger({text, true}).value_or(-777); };
  EXPECT_EQ(value("0"), 0);
  EXPECT_EQ(value("256"), 256);
  EXPECT_EQ(value(" 256 "), 256);
  EXPECT_EQ(value("0x1F"), 31);
  EXPECT_EQ(value("017"), 15);
  EXPECT_EQ(value("-5"), -5);
  EXPECT_EQ(value("9223372036854775807"), INT64_MAX);
  for (const char* bad :
       {"", "-", "--1", "0x", "0x-1", "1.5", "+1", "1 2", "9223372036854775808", "08"}) {
    EXPECT_EQ(value(bad), -777) << bad;
  }
}

// Whatever the bytes, the parser ends without harm, and what it accepts stays within the bounds.
TEST(ConfigSyntax, RandomText) {
  std::mt19937 random(1);
  const std::string alphabet = "ab='\"[],;#\n\\x0 19+\t\r\x01\xff";
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    const size_t length = random() % 24;
    for (size_t i = 0; i < length; ++i) text += alphabet[random() % alphabet.size()];
    absl::StatusOr<ConfigEntries> entries = ParseConfig("f", text);
    if (entries.ok()) {
      ++accepted;
      for (const ConfigEntry& entry : *entries) {
        EXPECT_TRUE(entry.value.is_list || entry.value.atoms.size() == 1);
      }
    } else {
      EXPECT_EQ(entries.status().message().substr(0, 2), "f:");
    }
    ConfigEntries more;
    (void)AddConfigOverride(text, more);
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace pyrene::xl
