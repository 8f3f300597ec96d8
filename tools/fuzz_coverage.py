# SPDX-License-Identifier: Apache-2.0
"""How many lines of its parser each fuzz target reaches from its corpus, counted by clang in the programs that are fuzzed, too."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

import build
import fuzz
from build import FOLDERS
from console import TIME_SCALE
from paths import ROOT
from progress import Failure, build_lock

LEAST = 80      # per cent of the lines
LLVM = 14       # of the clang that compiles
SECONDS = 300   # for one corpus


def _parser(name):
    """The files that the target's line in CMakeLists.txt names."""
    return [path.relative_to(ROOT) for pattern in fuzz.keyword(name, "PARSER") for path in sorted(ROOT.glob(pattern))]


def _run(words, env=None):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=ROOT,
                          errors="replace", timeout=SECONDS * TIME_SCALE, check=False, env={**os.environ, **(env or {})})
    if done.returncode:
        raise Failure(f"{words[0]} ended with status {done.returncode}: {(done.stderr or done.stdout)[-2000:].strip()}")
    return done.stdout


def measure(name):
    """[(file, its lines, how many of them ran)] of the target's parser"""
    inputs = sorted(fuzz.seeds(name).iterdir()) if fuzz.seeds(name).is_dir() else []
    if not inputs or not _parser(name):
        raise Failure(f"{name} has no corpus or no PARSER")
    program = FOLDERS[fuzz.PRESET] / "fuzz" / name
    with tempfile.TemporaryDirectory() as work:
        raw, data = Path(work, "raw"), Path(work, "data")
        _run([program, *inputs], {"LLVM_PROFILE_FILE": str(raw)})
        _run([f"llvm-profdata-{LLVM}", "merge", "-sparse", raw, "-o", data])
        report = json.loads(_run([f"llvm-cov-{LLVM}", "export", "-summary-only", f"-instr-profile={data}", program]))
    rows = []
    for path in _parser(name):
        # By its end: what a compiler's cache made may have the name of another clone's folder.
        found = [row for row in report["data"][0]["files"] if row["filename"].endswith(f"/{path}")]
        if not found:
            raise Failure(f"{name} has no code of {path}")
        rows.append((path, found[0]["summary"]["lines"]["count"], found[0]["summary"]["lines"]["covered"]))
    return rows


def percent(rows):
    return sum(row[2] for row in rows) * 100 // sum(row[1] for row in rows)


def enough(rows):
    return percent(rows) >= LEAST


def table(name, rows):
    """The lines to print."""
    shown = [f"{name}: {sum(row[2] for row in rows)} of {sum(row[1] for row in rows)} lines, {percent(rows)} %"
             f"{'' if enough(rows) else f', less than {LEAST} %'}"]
    return shown + [f"  {path}: {ran} of {lines}" for path, lines, ran in rows if len(rows) > 1]


def report(names):
    """Prints the targets' tables; true if each has its share."""
    with build_lock():
        build.host(fuzz.PRESET, [f"fuzz_{name}" for name in names])
    good = True
    for name in names:
        rows = measure(name)
        good = good and enough(rows)
        print("\n".join(table(name, rows)))
    return good
