// SPDX-License-Identifier: Apache-2.0
// The expected listings are what Debian's xenstore-ls 4.17 prints for the same tree.
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/xl/xenstore_format.h"
#include "tests/unit/xl_fake_store.h"

namespace pyrene::xl {
namespace {

FakeStore Tree() {
  FakeStore store;
  const XenstorePermissions one = {{'n', 1}};
  store.Apply(
      {{"/tool", "", {{'n', 0}}},
       {"/local", "", {{'n', 0}}},
       {"/local/domain", "x", {{'n', 0}, {'r', 5}}},
       {"/local/domain/1",
        "a\"b\\c\td\n\r\x01\b\x7f\xff~",
        {{'n', 0}, {'r', 1}, {'w', 2}, {'b', 3}}},
       {absl::StrCat("/local/domain/1/", std::string(20, 'k')), std::string(60, 'v'), {{'r', 1}}},
       {"/local/domain/1/odd", "12", one},
       {"/local/domain/1/even", "12", one},
       {"/local/domain/1/even/deep", std::string(58, 'v'), one}});
  return store;
}

std::string List(FakeStore& store, const std::string& path, const XenstoreLsOptions& options) {
  TextPrinter printer;
  absl::Status status = ListXenstore(store, path, options, printer);
  return status.ok() ? printer.text()
                     : absl::StrCat(printer.text(), "xenstore-ls: ", status.message(), "\n");
}

TEST(XenstoreLs, Indented) {
  FakeStore store = Tree();
  EXPECT_EQ(List(store, "/", {}), R"(tool = ""
local = ""
 domain = "x"
  1 = "a"b\\c\td\n\r\001\x08\x7f\xff~"
   kkkkkkkkkkkkkkkkkkkk = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\..."
   odd = "12"
   even = "12"
    deep = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
)");
}

TEST(XenstoreLs, IndentedWithPermissions) {
  FakeStore store = Tree();
  EXPECT_EQ(List(store, "/", {false, true, 80}),
            R"(tool = ""  . . . . . . . . . . . . . . . . . . . . . . . . .  (n0)
local = "" . . . . . . . . . . . . . . . . . . . . . . . . .  (n0)
 domain = "x"  . . . . . . . . . . . . . . . . . . . . . . .  (n0,r5)
  1 = "a"b\\c\td\n\r\001\x08\x7f\xff~" . . . . . . . . . . .  (n0,r1,w2,b3)
   kkkkkkkkkkkkkkkkkkkk = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\..."  (r1)
   odd = "12"  . . . . . . . . . . . . . . . . . . . . . . .  (n1)
   even = "12" . . . . . . . . . . . . . . . . . . . . . . .  (n1)
    deep = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"   (n1)
)");
  EXPECT_EQ(List(store, "/local/domain/1/even", {false, true, 80}),
            "deep = \"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\"   (n1)\n");
}

TEST(XenstoreLs, FullPaths) {
  FakeStore store = Tree();
  EXPECT_EQ(List(store, "/", {true, true, 80}), R"(/tool = ""   (n0)
/local = ""   (n0)
/local/domain = "x"   (n0,r5)
/local/domain/1 = "a"b\\c\td\n\r\001\x08\x7f\xff~"   (n0,r1,w2,b3)
/local/domain/1/kkkkkkkkkkkkkkkkkkkk = ")" + std::string(60, 'v') +
                                                    R"("   (r1)
/local/domain/1/odd = "12"   (n1)
/local/domain/1/even = "12"   (n1)
/local/domain/1/even/deep = "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"   (n1)
)");
  EXPECT_EQ(List(store, "/local/domain/1/even", {true, false, 80}),
            "/local/domain/1/even/deep = "
            "\"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\"\n");
}

TEST(XenstoreLs, Errors) {
  FakeStore store = Tree();
  EXPECT_EQ(List(store, "/nope", {}),
            "xenstore-ls: xs_directory (/nope): No such file or directory\n");
  store.MakeSecret("/");
  EXPECT_EQ(List(store, "/", {}), "xenstore-ls: xs_directory (/): Permission denied\n");
  store.MakeSecret("/local/domain/1");
  EXPECT_EQ(List(store, "/local/domain", {}),
            "1 = \"a\"b\\\\c\\td\\n\\r\\001\\x08\\x7f\\xff~\"\n"
            "xenstore-ls: xs_directory (/local/domain/1): Permission denied\n");
}

TEST(XenstoreLs, NodesThatVanish) {
  FakeStore store = Tree();
  store.Vanish("/local/domain/1");
  EXPECT_EQ(List(store, "/local", {}), "domain = \"x\"\n 1:\n\n");
}

TEST(XenstoreLs, VeryDeepTrees) {
  FakeStore store;
  std::string path;
  for (int depth = 0; depth < 1536; ++depth) {
    path += "/a";
    store.Apply({{path, "", {{'n', 0}}}});
  }
  const std::string text = List(store, "/", {true, false, 80});
  EXPECT_EQ(text.substr(text.size() - path.size() - 6), path + " = \"\"\n");
  EXPECT_FALSE(List(store, "/", {}).empty());
}

TEST(XenstoreValues, QuotingGoesBackAndForth) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string value;
    for (size_t length = random() % 20; length > 0; --length)
      value += static_cast<char>(random() % 256);
    const std::string quoted = QuoteXenstoreValue(value);
    for (const char c : quoted) EXPECT_TRUE(c >= ' ' && c <= '~');
    // \000 would end the value; the commands cannot write it.
    EXPECT_EQ(UnquoteXenstoreValue(quoted), value);
  }
  EXPECT_EQ(UnquoteXenstoreValue("\\t\\n\\r\\\\\\x41\\x4z\\101\\7z\\q\\"),
            std::string("\t\n\r\\A\x04zA\az") + "q");
  EXPECT_EQ(UnquoteXenstoreValue("\\x"), std::string(1, '\0'));
}

TEST(XenstoreOutput, ReadListWatch) {
  EXPECT_EQ(FormatXenstoreRead("name", "do\tmu", {}), "do\\tmu\n");
  EXPECT_EQ(FormatXenstoreRead("name", "domu", {true, false}), "name: domu\n");
  EXPECT_EQ(FormatXenstoreRead("name", "do\tmu", {false, true}), "do\tmu");
  EXPECT_EQ(FormatXenstoreList("/local", {"a", "b"}, false), "a\nb\n");
  EXPECT_EQ(FormatXenstoreList("/local", {"a", "b"}, true), "/local/a\n/local/b\n");
  EXPECT_EQ(FormatXenstoreList("/", {"a"}, true), "/a\n");
  EXPECT_EQ(FormatXenstoreWatch("memory/target"), "memory/target\n");
}

TEST(XenstoreOutput, Failures) {
  EXPECT_EQ(MessageCannotReadPath("x"), "xenstore-read: couldn't read path x\n");
  EXPECT_EQ(MessageCannotWritePath("x"), "xenstore-write: could not write path x\n");
  EXPECT_EQ(MessageCannotRemovePath("x"), "xenstore-rm: could not remove path x\n");
  EXPECT_EQ(MessageCannotListPath("x"), "xenstore-list: could not list path x\n");
  EXPECT_EQ(MessageCannotWatchPath("x"), "xenstore-watch: Unable to add watch on x\n");
  EXPECT_EQ(MessageCannotChmodPath("x", absl::PermissionDeniedError("")),
            "xenstore-chmod: Error occurred setting permissions on 'x': Permission denied\n");
  EXPECT_EQ(MessageInvalidPermission('q'),
            "xenstore-chmod: Invalid permission specification: 'q'\n");
}

TEST(XenstoreOutput, ErrorsInWords) {
  EXPECT_EQ(XenstoreErrorText(absl::InvalidArgumentError("")), "Invalid argument");
  EXPECT_EQ(XenstoreErrorText(absl::AlreadyExistsError("")), "File exists");
  EXPECT_EQ(XenstoreErrorText(absl::ResourceExhaustedError("")), "No space left on device");
  EXPECT_EQ(XenstoreErrorText(absl::AbortedError("")), "Resource temporarily unavailable");
  EXPECT_EQ(XenstoreErrorText(absl::UnavailableError("")), "Input/output error");
  EXPECT_EQ(XenstoreErrorText(absl::UnimplementedError("")), "Function not implemented");
  EXPECT_EQ(XenstoreErrorText(absl::InternalError("what else")), "what else");
}

TEST(XenstorePermissions, Text) {
  EXPECT_EQ(FormatPermissions({{'n', 0}, {'r', 5}, {'b', 32750}}), "n0,r5,b32750");
  for (const char* text : {"n0", "r5", "w65535", "b1"}) {
    ASSERT_TRUE(ParsePermission(text).has_value()) << text;
    EXPECT_EQ(FormatPermission(*ParsePermission(text)), text);
  }
  for (const char* bad :
       {"", "n", "x0", "r-1", "r+1", "r65536", "r1x", "r 1", "R1", "r99999999999"}) {
    EXPECT_FALSE(ParsePermission(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace pyrene::xl
