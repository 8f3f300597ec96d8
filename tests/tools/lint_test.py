# SPDX-License-Identifier: Apache-2.0
import unittest

from paths import ROOT
from suites import tidy, unit


class TidyTest(unittest.TestCase):
    def test_mistakes_are_taken_apart(self):
        text = f"{ROOT}/a.h:1:2: error: x [c]\n  int y;\n{ROOT}/b.cc:3:4: error: z [c]\n  note\n"
        self.assertEqual(tidy._complaints(text), ["a.h:1:2: error: x [c]\n  int y;", "b.cc:3:4: error: z [c]\n  note"])

    def test_anything_else_is_one_mistake(self):
        self.assertEqual(tidy._complaints("no such file"), ["no such file"])


class UnitListTest(unittest.TestCase):
    def test_counts_are_read(self):
        match = unit._CALL.search("pyrene_unit_test(a_test SRCS a.cc\n  LIBS x ROUNDS 20 SOAK 300)")
        test = unit.UnitTest(*match.groups())
        self.assertEqual((test.name, test.rounds, test.soak), ("unit/a_test", 20, 300))


if __name__ == "__main__":
    unittest.main()
