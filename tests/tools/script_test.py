# SPDX-License-Identifier: Apache-2.0
import sys
import unittest
from unittest import mock

import console
import script
from console import Console
from progress import Failure

# A child that answers each line typed: "say X" prints X, "slow X" prints X character by character, "die N" ends with status N.
CHILD = r"""
import sys, time
for line in sys.stdin:
    verb, _, rest = line.rstrip("\n").partition(" ")
    if verb == "die":
        sys.exit(int(rest))
    for char in (rest if verb == "slow" else [rest]):
        sys.stdout.write(char.replace("ESC", "\x1b[1m\r"))
        sys.stdout.flush()
        if verb == "slow":
            time.sleep(0.05)
    print(flush=True)
"""


class ParseTest(unittest.TestCase):
    def test_steps(self):
        steps = script.parse("# c\n\nsend a b\nexpect:5 x{2}\nrepeat 3 k\n  send {k}\nend\nended 0\n", "t")
        self.assertEqual([s.verb for s in steps], ["send", "expect", "repeat", "ended"])
        self.assertEqual((steps[1].seconds, steps[1].text, steps[1].line), (5.0, "x{2}", 4))
        self.assertEqual(steps[2].body[0].text, "{k}")

    def test_mistakes_name_their_line(self):
        for text, what in [("\nfoo", "t:2: unknown step"), ("expect", "t:1: expect needs"), ("expect (", "t:1: bad regular"),
                           ("repeat 2\nsend", "t:1: repeat without end"), ("end", "t:1: end without"),
                           ("repeat x\nend", "t:1: repeat needs"), ("send:3 x", "t:1: send takes no"),
                           ("pause x", "t:1: pause needs"), ("check 1 + 1", "t:1: check: no comparison"),
                           ("check 1 < f(2)", "t:1: check: no comparison"), ("check 1 <", "t:1: check: "), ("ended x", "t:1: ended takes")]:
            with self.assertRaises(Failure) as caught:
                script.parse(text, "t")
            self.assertIn(what, str(caught.exception))

    def test_unescape(self):
        self.assertEqual(script.unescape(r"a\tb\x1d\\n\c"), "a\tb\x1d\\n")
        self.assertEqual(script.unescape(r"a\q"), "a\\q\n")

    def test_rounds_are_found_in_nested_loops(self):
        self.assertTrue(script.has_rounds(script.parse("repeat 2 a\nrepeat {rounds}\nend\nend", "t")))
        self.assertFalse(script.has_rounds(script.parse("send {rounds}", "t")))


class RunTest(unittest.TestCase):
    def run_script(self, text, **keywords):
        with Console([sys.executable, "-u", "-c", CHILD], None) as child:
            script.run(child, script.parse(text, "t"), **keywords)

    def fails(self, text):
        with self.assertRaises(script.ScriptFailure) as caught:
            self.run_script(text)
        return str(caught.exception)

    def test_dialogue(self):
        self.run_script("send say hello\nexpect ^hel+o$\nsend die 3\nended 3")

    def test_each_match_is_consumed(self):
        self.assertIn("line 4: not seen in time: one", self.fails("send say one\nexpect one\nsend say two\nexpect:0.3 one"))

    def test_noise_is_removed(self):
        self.run_script("send say aESCb\nexpect ^ab$")

    def test_report_holds_the_output(self):
        self.assertIn("  | shown", self.fails("send say shown\nexpect:0.3 other"))

    def test_captured_number_is_complete(self):
        self.run_script(r"send slow free 12345" "\n" r"expect free (?P<free>\d+)" "\nsend say [{free}]\nexpect ^.12345.$\n")

    def test_captured_text_is_literal(self):
        self.run_script("send say a.c\nexpect ^(?P<v>.*)$\nsend say abc a.c\nexpect abc {v}")
        self.assertIn("line 4", self.fails("send say a.c\nexpect ^(?P<v>.*)$\nsend say abc\nexpect:0.3 {v}"))

    def test_numbers_are_compared(self):
        self.run_script(r"send say a 12 b 4.5" "\n" r"expect a (?P<a>\d+) b (?P<b>[0-9.]+)$" "\ncheck 2 < {a} / ({b} - 0.5) <= 3\n")
        self.assertIn("line 3: does not hold: 4 == 5", self.fails("send say 4 5\nexpect (?P<a>4) (?P<b>5)$\ncheck {a} == {b}"))
        self.assertIn("line 3: division by zero", self.fails("send say 4\nexpect (?P<a>4)$\ncheck 1 / ({a} - 4) > 1"))

    def test_refused_while_waiting(self):
        self.assertIn("line 1: refused, but seen: BUG:", self.fails("refuse BUG:|stall\nsend say x BUG: y\nexpect never"))

    def test_refused_only_from_there_on(self):
        self.run_script("send say stall\nexpect stall\nrefuse stall\nsend say fine\nexpect fine")

    def test_end_is_noticed(self):
        self.assertIn("ended with status 4", self.fails("send die 4\nexpect never"))
        self.assertIn("not seen in time", self.fails("ended:0.2"))
        self.assertIn("line 2", self.fails("send die 4\nended 0"))

    def test_panic_shortens_the_wait(self):
        with mock.patch.object(console, "PANIC_SECONDS", 0.3):
            self.assertIn("PANIC", self.fails("send say PANIC: here\nexpect:1000 never"))

    def test_rounds_go_on_where_they_were(self):
        seen = []
        self.run_script("repeat {rounds}\nsend say r{i}of{rounds}after{first}\nexpect ^r{i}of2after5$\nend", rounds=2, first=5,
                        on_round=seen.append)
        self.assertEqual(seen, [6, 7])


if __name__ == "__main__":
    unittest.main()
