# SPDX-License-Identifier: Apache-2.0
"""fuzz/TARGET.planted: the target finds the bug that tests/fuzz/planted_bugs.cmake plants for it."""
import re
import tempfile
from pathlib import Path

import fuzz
from build import FOLDERS
from suites.base import Test, TestFailure, execute

SECONDS = 300
RUNS = 200_000   # the most that a target may need


def bugs():
    """The targets that one is planted for."""
    return re.findall(r"^pyrene_planted_bug\((\w+)", (fuzz.SOURCES / "planted_bugs.cmake").read_text(), re.MULTILINE)


class PlantedBugTest(Test):
    needs = (fuzz.PRESET,)
    shares = True

    def __init__(self, name):
        super().__init__(f"fuzz/{name}.planted", "the target finds the bug that is planted for it")
        self.target = name

    def run(self, log, rounds, first, on_round):
        if self.target not in bugs():
            raise TestFailure("no bug is planted for this target")
        with fuzz.test_corpora(self.target) as corpora, tempfile.TemporaryDirectory(dir=fuzz.FOLDER) as findings:
            words = [FOLDERS[fuzz.PRESET] / "planted" / self.target, *fuzz.options(self.target), f"-artifact_prefix={findings}/",
                     f"-runs={RUNS}", "-seed=1"]
            try:
                execute([*words, *corpora], log, SECONDS)
            except TestFailure:
                if any(Path(findings).iterdir()):
                    return
                raise
        raise TestFailure(f"not found in {RUNS} runs")


def discover():
    return [PlantedBugTest(name) for name in fuzz.targets()]
