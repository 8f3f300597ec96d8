# SPDX-License-Identifier: Apache-2.0
"""`pyrene test`: runs tests, prints a line for each and the totals."""
import argparse
import concurrent.futures
import fnmatch
import itertools
import json
import os
import subprocess
import time

import build
import fio
import packages
from paths import BUILD, LOGS, ROOT
from progress import Failure, build_lock, last_lines
from suites import capabilities, cost, fuzz, lint, model, planted, power_cut, system, unit
from suites.base import TestFailure

SUITES = (lint, unit, fuzz, planted, model, system, power_cut, capabilities, cost)   # the quick ones first
SOAK = BUILD / "soak"
REPORTED_LINES = 40


def _selected(pattern, soak):
    tests = [test for suite in SUITES for test in suite.discover()]
    if pattern:
        tests = [t for t in tests if fnmatch.fnmatch(t.name, pattern) or pattern in t.name]
    if soak:
        tests = [t for t in tests if t.soak is not None]
    if not tests:
        raise Failure("no test is selected" + (f" by {pattern}" if pattern else ""))
    return tests


def _build(tests):
    """Builds what the tests need.  Returns what went wrong, per need."""
    steps = {"lint": lambda: packages.ensure("lint"), "test": lambda: packages.ensure("test"), "target": build.target,
             "fio": fio.ensure, "host-sanitize": lambda: build.host("host-sanitize")}
    wrong = {}
    for need, step in steps.items():
        if any(need in test.needs for test in tests):
            try:
                step()
            except Failure as failure:
                wrong[need] = str(failure)
    return wrong


class _Soak:
    """How many rounds of a test's soak run are done; survives interruption."""

    def __init__(self, test):
        self.path = SOAK / (test.name.replace("/", "-") + ".json")
        self.total = test.soak
        state = json.loads(self.path.read_text()) if self.path.exists() else {}
        # A finished run, or one for another number, begins anew.
        self.done = state["done"] if state.get("total") == self.total and state["done"] < self.total else 0

    def save(self, done):
        SOAK.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"total": self.total, "done": done}))
        fresh.rename(self.path)


def _rounds(test, soak, log):
    """Runs the test; returns the number of rounds that this made."""
    if not soak:
        test.run(log, test.rounds, 0, lambda turn: None)
        return test.rounds
    state = _Soak(test)
    if state.done:
        print(f"{test.name}: going on after round {state.done} of {state.total}", flush=True)
    test.run(log, state.total - state.done, state.done, state.save)
    state.save(state.total)
    return state.total


def _one(test, soak, wrong):
    """Runs one test and prints its lines; true if it passed."""
    path = LOGS / f"{test.name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    why, rounds = None, test.soak if soak else test.rounds
    broken = [need for need in test.needs if need in wrong]
    if broken:
        why = wrong[broken[0]]
        wrong[broken[0]] = f"{broken[0]} could not be built, see above"   # said once
    else:
        with open(path, "w") as log:
            try:
                rounds = _rounds(test, soak, log)
            except (TestFailure, Failure, OSError, subprocess.SubprocessError) as failure:
                why = str(failure)
    plural = "" if rounds == 1 else "s"
    said = [f"{test.name}: {rounds} round{plural}, {'FAILED' if why else 'passed'}, {time.monotonic() - start:.1f} s"]
    if why:
        lines = why.splitlines()
        if not broken and len(lines) == 1:
            output = last_lines(path, REPORTED_LINES)
            lines += ["the end of its output:", *("| " + line for line in output)] if output else []
        said += ["  " + line for line in lines]
        if not broken:
            said.append(f"  log: {path.relative_to(ROOT)}")
    print("\n".join(said), flush=True)
    return why is None


def _run(tests, soak, wrong):
    """Runs all; returns how many passed.  Those that use one CPU, and stand behind each other, run on as many at once as there are."""
    passed = 0
    for shares, group in itertools.groupby(tests, lambda test: test.shares):
        if not shares:
            passed += sum(_one(test, soak, wrong) for test in group)
            continue
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                passed += sum(pool.map(lambda test: _one(test, soak, wrong), group))
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                raise
    return passed


def main(arguments):
    parser = argparse.ArgumentParser(prog="pyrene test", description="Runs the tests.")
    parser.add_argument("--only", metavar="PATTERN", help="tests whose name contains or matches it (system/*, *@virt)")
    parser.add_argument("--list", action="store_true", help="name the tests and end")
    parser.add_argument("--soak", action="store_true",
                        help="the tests that have a soak count, that often; goes on where it was cut off")
    options = parser.parse_args(arguments)
    os.chdir(ROOT)
    tests = _selected(options.only, options.soak)
    if options.list:
        for test in tests:
            print(f"{test.name}: {test.about}" if test.about else test.name)
        return 0
    with build_lock():
        wrong = _build(tests)
    passed = _run(tests, options.soak, wrong)
    print(f"{passed} passed, {len(tests) - passed} failed")
    return 0 if passed == len(tests) else 1
