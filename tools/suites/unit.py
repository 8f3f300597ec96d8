# SPDX-License-Identifier: Apache-2.0
"""unit/*: GoogleTest programs of this machine under sanitizers, and the tests of the tools themselves."""
import re
import sys

from build import FOLDERS
from paths import ROOT
from suites.base import Test, execute

SECONDS = 900
PRESET = "host-sanitize"
_CALL = re.compile(r"^\s*pyrene_unit_test\(\s*(\w+)([^)]*)\)", re.MULTILINE)


class UnitTest(Test):
    needs = (PRESET,)
    shares = True

    def __init__(self, program, keywords):
        super().__init__(f"unit/{program}")
        self.program = program
        counts = dict(re.findall(r"\b(ROUNDS|SOAK)\s+(\d+)", keywords))
        self.rounds = int(counts.get("ROUNDS", 1))
        self.soak = int(counts["SOAK"]) if "SOAK" in counts else None

    def run(self, log, rounds, first, on_round):
        env = {"PYRENE_ROUNDS": str(rounds), "PYRENE_FIRST": str(first)}
        execute([FOLDERS[PRESET] / "unit" / self.program], log, SECONDS, env)


class ToolsTest(Test):
    needs = ("lint", "test")   # it runs clang-tidy

    def __init__(self):
        super().__init__("unit/tools", "the command-line front's own parts")

    def run(self, log, rounds, first, on_round):
        execute([sys.executable, "-m", "unittest", "discover", "-s", ROOT / "tests/tools", "-p", "*_test.py"], log, SECONDS,
                {"PYTHONPATH": str(ROOT / "tools")})


def discover():
    listing = ROOT / "tests/unit/CMakeLists.txt"
    text = re.sub(r"#.*", "", listing.read_text()) if listing.exists() else ""
    return [UnitTest(*match.groups()) for match in _CALL.finditer(text)] + [ToolsTest()]
