# SPDX-License-Identifier: Apache-2.0
"""model/*: every Promela model in tests/model, checked exhaustively by spin.

Checked are assertions, invalid end states and, one by one, the model's ltl formulas.  A model that needs more than the defaults
says so in comment lines:   // cc: -DVECTORSZ=4096 ...      // pan: -m1000000 -f ...
"""
import re
import shutil

from paths import BUILD, ROOT
from suites.base import Test, TestFailure, execute

SECONDS = 1800
# What pan prints when a search was cut short or failed, whatever its exit status says.
_INCOMPLETE = re.compile(r"max search depth too small|Search not completed|out of memory|hash table full|^error:", re.MULTILINE)


class ModelTest(Test):
    needs = ("test",)

    def __init__(self, path):
        super().__init__(f"model/{path.stem}")
        self.path = path

    def _search(self, log, folder, claim, compile_options, pan_options):
        checker = folder / (claim or "safety")
        mode = ["-DNOCLAIM", "-DSAFETY"] if claim is None else []
        execute(["gcc", "-O2", "-w", *mode, *compile_options, "-o", checker, "pan.c"], log, cwd=folder)
        run = ["-a", "-N", claim] if claim else []
        report = folder / f"{checker.name}.txt"
        with open(report, "w") as out:
            execute([checker, *run, *pan_options], out, SECONDS, cwd=folder)
        text = report.read_text()
        log.write(text)
        if _INCOMPLETE.search(text) or not re.search(r"errors: 0$", text, re.MULTILINE):
            raise TestFailure(f"{checker.name}: not shown by a complete search without errors")

    def run(self, log, rounds, first, on_round):
        text = self.path.read_text()
        options = {key: " ".join(re.findall(rf"^//\s*{key}:(.*)$", text, re.MULTILINE)).split() for key in ("cc", "pan")}
        folder = BUILD / "model" / self.path.stem
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        execute(["spin", "-a", self.path], log, cwd=folder)
        for claim in [None, *re.findall(r"^\s*ltl\s+(\w+)", text, re.MULTILINE)]:
            self._search(log, folder, claim, options["cc"], options["pan"])


def discover():
    return [ModelTest(path) for path in sorted((ROOT / "tests/model").glob("*.pml"))]
