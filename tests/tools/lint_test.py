# SPDX-License-Identifier: Apache-2.0
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from paths import BUILD, ROOT
from suites import tidy, unit


class TidyTest(unittest.TestCase):
    def test_mistakes_are_taken_apart(self):
        text = f"{ROOT}/a.h:1:2: error: x [c]\n  int y;\n{ROOT}/b.cc:3:4: error: z [c]\n  note\n"
        self.assertEqual(tidy._complaints(text), ["a.h:1:2: error: x [c]\n  int y;", "b.cc:3:4: error: z [c]\n  note"])

    def test_anything_else_is_one_mistake(self):
        self.assertEqual(tidy._complaints("no such file"), ["no such file"])

    def test_files_that_declare_the_same_are_not_put_together(self):
        with tempfile.TemporaryDirectory() as folder:
            texts = {"a.cc": "constexpr int kSize = 3;\n", "b.cc": "namespace {\nint Twice(int a) {\n",
                     "c.cc": "const size_t kSize = 4;\n", "d.cc": "TEST(Ring, IsEmpty) {\n  Twice(3);\n"}
            for name, text in texts.items():
                (Path(folder) / name).write_text(text)
            commands = {Path(folder) / name: f"launcher clang++ -O2 -DX -o {name}.o -c {folder}/{name}" for name in texts}
            groups = [(flags, [file.name for file in files]) for flags, files in tidy._groups(commands)]
        self.assertEqual(groups, [(("-DX",), ["a.cc", "b.cc", "d.cc"]), (("-DX",), ["c.cc"])])

    def test_a_mistake_in_one_of_several_files_is_told_of_it_alone(self):
        right = "int {}(int a) {{ return a; }}\n"
        # For the analyzer, for what is looked for in the main file only, and for all else.
        wrong = ["int Read(const int* p) { return p == nullptr ? *p : 0; }\n", "#include <cstddef>\nusing std::ptrdiff_t;\n",
                 "char* Nothing() { return 0; }\n"]
        BUILD.mkdir(exist_ok=True)
        for text in wrong:
            with tempfile.TemporaryDirectory(dir=BUILD) as folder, mock.patch.object(tidy, "STATE", Path(folder)):
                files = [Path(folder) / "runtime" / f"{name}.cc" for name in ("a", "b", "c")]   # where clang-tidy listens
                files[0].parent.mkdir()
                for file, content in zip(files, (right.format("A"), text, right.format("C"))):
                    file.write_text(content)
                with mock.patch.object(tidy, "_look", side_effect=lambda _, file: file.name):
                    said = tidy._complaints_of(Path(folder), (), files)
            self.assertEqual(said[files[1]], "b.cc", text)


class UnitListTest(unittest.TestCase):
    def test_counts_are_read(self):
        match = unit._CALL.search("pyrene_unit_test(a_test SRCS a.cc\n  LIBS x ROUNDS 20 SOAK 300)")
        test = unit.UnitTest(*match.groups())
        self.assertEqual((test.name, test.rounds, test.soak), ("unit/a_test", 20, 300))


if __name__ == "__main__":
    unittest.main()
