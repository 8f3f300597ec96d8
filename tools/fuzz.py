# SPDX-License-Identifier: Apache-2.0
"""`pyrene fuzz`: fuzz targets by libFuzzer, with their corpora.

What a target has found interesting stays in build/fuzz/TARGET/corpus and is gone on with the next time; tests/fuzz/corpus/TARGET is in the
repository, and `--merge` adds to it what reaches code that it does not.  A finding is an input in build/fuzz/TARGET/findings.
"""
import argparse
import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import build
from build import FOLDERS
from paths import BUILD, ROOT
from progress import Failure, build_lock, say

SOURCES = ROOT / "tests/fuzz"
PRESET = "host-sanitize"
FOLDER = BUILD / "fuzz"
SECONDS = 60
MOST_SECONDS_OF_AN_INPUT = 20   # longer: it hangs
MOST_BYTES = 4096
_CALL = re.compile(r"^\s*pyrene_fuzz_target\(\s*(\w+)([^)]*)\)", re.MULTILINE)


def targets():
    """{name: the keywords of its line in CMakeLists.txt}"""
    return dict(_CALL.findall((SOURCES / "CMakeLists.txt").read_text()))


def keyword(name, word):
    """What stands behind the word in the target's line."""
    found = re.search(rf"\b{word}\b((?:\s+(?![A-Z]+\b)\S+)+)", targets()[name])
    return found[1].split() if found else []


def about(name):
    """What its source says first."""
    lines = (SOURCES / f"{name}.cc").read_text().split("\n\n")[0].splitlines()[2:]
    return re.split(r"[.:;] ", " ".join(line.lstrip("/ ") for line in lines) + " ")[0]


def program(name):
    return FOLDERS[PRESET] / "fuzz" / name


def seeds(name):
    return SOURCES / "corpus" / name


def _folder(name, part):
    path = FOLDER / name / part
    path.mkdir(parents=True, exist_ok=True)
    return path


def options(name):
    """libFuzzer's, of every run."""
    words = [f"-artifact_prefix={_folder(name, 'findings')}/", f"-timeout={MOST_SECONDS_OF_AN_INPUT}", f"-max_len={MOST_BYTES}",
             "-print_final_stats=1"]
    dictionary = SOURCES / "dictionaries" / f"{name}.dict"
    return words + ([f"-dict={dictionary}"] if dictionary.exists() else [])


def findings(name, since):
    """The inputs that were found since that time."""
    return sorted(path for path in _folder(name, "findings").iterdir() if path.stat().st_mtime >= since)


def replay_words(name, path):
    path = Path(path)
    return f"./pyrene fuzz {name} {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}"


def corpora(name):
    return [_folder(name, "corpus"), *([seeds(name)] if seeds(name).is_dir() else [])]


@contextlib.contextmanager
def test_corpora(name):
    """An empty one, because libFuzzer writes into the first, and the repository's."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as fresh:
        yield [fresh, *corpora(name)[1:]]


def _run(words):
    """libFuzzer's status; Ctrl-C ends it in order."""
    child = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            child.wait()
            raise


def _fuzz(name, seconds, jobs):
    """True if nothing was found."""
    since = time.time()
    say(f"{name}: {seconds} s on {jobs} job{'s' * (jobs != 1)}; Ctrl-C ends it, what was reached is kept")
    words = [program(name), *options(name), f"-max_total_time={seconds}"] + ([f"-fork={jobs}"] if jobs > 1 else [])
    status = _run([*words, *corpora(name)])
    found = findings(name, since)
    for path in found:
        say(f"{name}: found; replay it with: {replay_words(name, path)}")
    if status and not found:
        raise Failure(f"{name}: libFuzzer ended with status {status}")
    return not found


def _replay(name, files):
    for path in files:
        if not Path(path).is_file():
            raise Failure(f"there is no {path}")
    return _run([program(name), *options(name), *files]) == 0


def _merge(name):
    seeds(name).mkdir(parents=True, exist_ok=True)
    _run([program(name), *options(name), "-merge=1", seeds(name), _folder(name, "corpus")])


def main(arguments):
    parser = argparse.ArgumentParser(prog="pyrene fuzz", description="Fuzzes what other domains can send.")
    parser.add_argument("target", nargs="?", help="one of --list")
    parser.add_argument("files", nargs="*", metavar="FILE", help="inputs that are run once instead: the replay of a finding")
    parser.add_argument("--list", action="store_true", help="name the targets and end")
    parser.add_argument("--all", action="store_true", help="all targets, one after the other")
    parser.add_argument("--time", type=int, default=SECONDS, metavar="S", help=f"seconds for each target ({SECONDS})")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (1)")
    parser.add_argument("--merge", action="store_true", help="take what was reached into the repository's corpus instead")
    parser.add_argument("--coverage", action="store_true", help="tell how many lines of its parser a target reaches from the corpus")
    chosen = parser.parse_args(arguments)
    known = targets()
    if chosen.list:
        for name in known:
            print(f"{name}: {about(name)}")
        return 0
    if chosen.all == bool(chosen.target) or chosen.time < 1 or chosen.jobs < 1:
        parser.error("name a target or say --all; --time and --jobs are at least 1")
    if chosen.target and chosen.target not in known:
        raise Failure(f"there is no target {chosen.target}; --list names them")
    files = [os.path.abspath(path) for path in chosen.files]
    if chosen.coverage:
        import fuzz_coverage   # which uses this module
        return 0 if fuzz_coverage.report(list(known) if chosen.all else [chosen.target]) else 1
    with build_lock():
        build.host(PRESET)
    os.chdir(ROOT)
    names = list(known) if chosen.all else [chosen.target]
    if files:
        return 0 if _replay(names[0], files) else 1
    if chosen.merge:
        for name in names:
            _merge(name)
        return 0
    return 0 if all([_fuzz(name, chosen.time, chosen.jobs) for name in names]) else 1
