# SPDX-License-Identifier: Apache-2.0
"""How many lines of its parser each fuzz target reaches from its corpus, counted by clang."""
import json
import os
import subprocess

import build
import fuzz
import packages
from build import FOLDERS
from paths import BUILD, ROOT
from progress import Failure, build_lock, items

PRESET = "host-coverage"
LEAST = 80   # per cent of the lines
LLVM = 14    # of the clang that compiles


def _parser(name):
    """The files that the target's line in CMakeLists.txt names."""
    return [path for pattern in fuzz.keyword(name, "PARSER") for path in sorted(ROOT.glob(pattern))]


def _tool(words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise Failure(f"{words[0]} failed: {done.stderr.strip()}")
    return done.stdout


def _measure(name, work):
    """[(file, lines, lines that ran)]"""
    program, profile = FOLDERS[PRESET] / "fuzz" / name, work / name
    seeds = sorted(fuzz.seeds(name).iterdir()) if fuzz.seeds(name).is_dir() else []
    raw = profile.with_suffix(".raw")
    with open(profile.with_suffix(".log"), "w") as log:
        # Inputs by name: run without libFuzzer's own counters, which this build has not.
        done = subprocess.run([program, *seeds], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
                              env={**os.environ, "LLVM_PROFILE_FILE": str(raw)}) if seeds else None
    if done is None:
        return [(path.relative_to(ROOT), 1, 0) for path in _parser(name)]
    if done.returncode:
        raise Failure(f"{name} ended with status {done.returncode}: {profile.with_suffix('.log').relative_to(ROOT)}")
    data = profile.with_suffix(".data")
    _tool([f"llvm-profdata-{LLVM}", "merge", "-sparse", raw, "-o", data])
    report = json.loads(_tool([f"llvm-cov-{LLVM}", "export", "-summary-only", f"-instr-profile={data}", program, *_parser(name)]))
    lines = {row["filename"]: row["summary"]["lines"] for row in report["data"][0]["files"]}
    return [(path.relative_to(ROOT), lines[str(path)]["count"], lines[str(path)]["covered"]) if str(path) in lines else
            (path.relative_to(ROOT), 1, 0) for path in _parser(name)]


def report(names):
    """Prints a row for each target and its files; true if each has its share."""
    packages.ensure("coverage")
    with build_lock():
        build.host(PRESET, [f"fuzz_{name}" for name in names])
    work = BUILD / "coverage"
    work.mkdir(exist_ok=True)
    good = True
    for name in items("running corpora", names):
        rows = _measure(name, work)
        total, covered = sum(row[1] for row in rows), sum(row[2] for row in rows)
        enough = covered * 100 >= LEAST * total
        good = good and enough
        print(f"{name}: {covered} of {total} lines, {covered * 100 // max(1, total)} %{'' if enough else f', less than {LEAST} %'}")
        if len(rows) > 1:
            for path, count, ran in rows:
                print(f"  {path}: {ran} of {count}")
    return good
