# SPDX-License-Identifier: Apache-2.0
"""What a test is to `pyrene test`."""
import os
import subprocess
from typing import TextIO

from console import TIME_SCALE
from paths import ROOT
from progress import Failure


class TestFailure(Exception):
    """The test ran and did not pass; the text says why."""


class Test:
    """One test.  Subclasses say what must be built before (needs) and how it runs."""

    needs: tuple[str, ...] = ()   # of "target", "fio" (behind "target"), "host-sanitize", "lint", "test": see testing.py
    rounds = 1
    soak: int | None = None       # rounds of a soak run; None: not part of it
    shares = False                # it uses one CPU of this machine and may run beside others of its kind

    def __init__(self, name, about=""):
        self.name, self.about = name, about

    def run(self, log: TextIO, rounds, first, on_round):
        """Runs rounds first+1 to first+rounds, calls on_round(n) after each that is known to be finished; raises TestFailure."""
        raise NotImplementedError


def execute(argv, log, seconds=None, env=None, cwd=ROOT):
    """Runs a program with its output in the log; TestFailure if it fails or takes too long."""
    log.flush()
    limit = seconds * TIME_SCALE if seconds else None
    try:
        done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=cwd,
                              timeout=limit, env={**os.environ, **(env or {})}, check=False)
    except subprocess.TimeoutExpired:
        raise TestFailure(f"not finished after {limit:.0f} s") from None
    except FileNotFoundError as error:
        raise TestFailure(str(error)) from error
    if done.returncode:
        raise TestFailure(f"{os.path.basename(str(argv[0]))} ended with status {done.returncode}")


def repository_files():
    """The repository's files: those that git tracks or would."""
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise Failure(f"git can not list the repository's files: {listed.stderr.strip()}")
    names = sorted(set(listed.stdout.split("\0")) - {""})
    return [path for path in (ROOT / name for name in names) if path.is_file()]
