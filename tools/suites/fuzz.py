# SPDX-License-Identifier: Apache-2.0
"""fuzz/TARGET: the repository's inputs, then so many more (`pyrene fuzz` goes on for as long as it is told); fuzz/coverage: what the
repository's reach."""
import re
import time

import fuzz
import fuzz_coverage
from progress import Failure
from suites.base import Test, TestFailure, execute

SECONDS = 900
ROUNDS = 20_000
SOAK = 5_000_000


class FuzzTest(Test):
    needs = (fuzz.PRESET,)
    shares = True

    def __init__(self, name, keywords):
        super().__init__(f"fuzz/{name}", fuzz.about(name))
        self.target = name
        counts = dict(re.findall(r"\b(ROUNDS|SOAK)\s+(\d+)", keywords))
        self.rounds, self.soak = int(counts.get("ROUNDS", ROUNDS)), int(counts.get("SOAK", SOAK))

    def run(self, log, rounds, first, on_round):
        since = time.time()
        words = [fuzz.program(self.target), *fuzz.options(self.target), f"-runs={rounds}", f"-seed={first + 1}"]
        try:
            with fuzz.test_corpora(self.target) as corpora:
                execute([*words, *corpora], log, SECONDS if rounds == self.rounds else None, {"ASAN_OPTIONS": "detect_leaks=1"})
        except TestFailure as failure:
            found = [f"replay it with: {fuzz.replay_words(self.target, path)}" for path in fuzz.findings(self.target, since)]
            raise TestFailure("\n".join([str(failure), *found])) from None


class CoverageTest(Test):
    needs = (fuzz.PRESET,)

    def __init__(self):
        super().__init__("fuzz/coverage", f"each target's corpus reaches {fuzz_coverage.LEAST} % of its parser's lines")

    def run(self, log, rounds, first, on_round):
        short = []
        for name in fuzz.targets():
            try:
                rows = fuzz_coverage.measure(name)
            except Failure as failure:
                short.append(str(failure))
                continue
            log.write("\n".join(fuzz_coverage.table(name, rows)) + "\n")
            if not fuzz_coverage.enough(rows):
                short.append(f"{name}: {fuzz_coverage.percent(rows)} % of its parser's lines; ./pyrene fuzz --coverage {name} tells which run")
        if short:
            raise TestFailure("\n".join(short))


def discover():
    return [CoverageTest(), *(FuzzTest(name, keywords) for name, keywords in fuzz.targets().items())]
