# SPDX-License-Identifier: Apache-2.0
import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import testing
from progress import Failure
from suites import system
from suites.base import Test, TestFailure


class Counted(Test):
    """Finishes rounds until it is told to break off."""

    def __init__(self, name, soak, broken_at=None):
        super().__init__(name)
        self.soak, self.broken_at, self.seen = soak, broken_at, []

    def run(self, log, rounds, first, on_round):
        for turn in range(first + 1, first + rounds + 1):
            if turn == self.broken_at:
                raise TestFailure("broken off")
            self.seen.append(turn)
            on_round(turn)


class SoakTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name in ("SOAK", "LOGS", "ROOT"):
            patch = mock.patch.object(testing, name, Path(folder.name))
            patch.start()
            self.addCleanup(patch.stop)

    def run_one(self, test):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            passed = testing._one(test, True, {})
        return passed, out.getvalue()

    def test_goes_on_after_the_last_finished_round(self):
        passed, out = self.run_one(Counted("a/b", 5, broken_at=4))
        self.assertFalse(passed)
        self.assertIn("a/b: 5 rounds, FAILED", out)
        again = Counted("a/b", 5)
        passed, out = self.run_one(again)
        self.assertTrue(passed)
        self.assertEqual(again.seen, [4, 5])
        self.assertIn("going on after round 3 of 5", out)

    def test_a_finished_soak_begins_anew(self):
        self.run_one(Counted("a/b", 2))
        again = Counted("a/b", 2)
        self.run_one(again)
        self.assertEqual(again.seen, [1, 2])

    def test_what_could_not_be_built_fails(self):
        test = Counted("a/b", 1)
        test.needs = ("target",)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertFalse(testing._one(test, False, {"target": "no compiler"}))
        self.assertIn("no compiler", out.getvalue())
        self.assertEqual(test.seen, [])


class SystemTest(unittest.TestCase):
    def make(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".test") as file:
            file.write(text)
            file.flush()
            path = Path(file.name)
            return system.SystemTest("system/x", path, system._header(path), "virt")

    def test_header(self):
        test = self.make("# about: all is well\n# run: --cpus 2 --append n={rounds}\n# rounds: 3\n# soak: 9\nsend x\n# run: no\n")
        self.assertEqual((test.about, test.rounds, test.soak), ("all is well", 3, 9))
        options = test._options("7", "0")
        self.assertEqual((options.machine, options.cpus, options.append), ("virt", 2, ["n=7"]))

    def test_mistakes_in_the_run_line(self):
        for line in ("--cpus many", "--nonsense", "--cpus 99"):
            with self.assertRaises(Failure), contextlib.redirect_stderr(io.StringIO()):
                self.make(f"# run: {line}\nsend x\n")

    def test_a_script_without_a_loop_is_booted_again(self):
        test = self.make("# rounds: 3\nsend {rounds}\n")
        boots, done = [], []
        test._boot = lambda log, rounds, first, on_round: boots.append((first, rounds))
        test.run(None, 7, 1, done.append)
        self.assertEqual(boots, [(1, 3), (4, 3), (7, 1)])
        self.assertEqual(done, [4, 7, 8])


if __name__ == "__main__":
    unittest.main()
