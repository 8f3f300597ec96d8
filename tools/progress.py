# SPDX-License-Identifier: Apache-2.0
"""Running other programs: their output goes to a log file, the user sees what is under way and for how long."""
import contextlib
import fcntl
import os
import subprocess
import sys
import time

from paths import BUILD, LOGS, ROOT

QUIET_SECONDS = 2.0      # what takes less is not worth a line
PLAIN_INTERVAL = 10.0    # seconds between two lines when the output is not a terminal


class Failure(Exception):
    """Something the user must hear of: one or more lines, without a stack trace."""


def say(text):
    print(f"pyrene: {text}", file=sys.stderr, flush=True)


def last_lines(path, count):
    with open(path, errors="replace") as f:
        return f.read().splitlines()[-count:]


class _Line:
    """The line that says what is under way: redrawn on a terminal, repeated now and then elsewhere."""

    def __init__(self, title):
        self.title, self.start, self.terminal = title, time.monotonic(), sys.stderr.isatty()
        self.next = self.start + QUIET_SECONDS
        self.shown = False

    def update(self, detail):
        now = time.monotonic()
        if now < self.next:
            return
        text = f"pyrene: {self.title}, {now - self.start:.0f} s"
        if self.terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            sys.stderr.write("\r\x1b[K" + f"{text}: {detail}"[: width - 1])
            self.next = now + 0.2
        else:
            sys.stderr.write(text + "\n")
            self.next = now + PLAIN_INTERVAL
        sys.stderr.flush()
        self.shown = True

    def finish(self, word):
        if self.terminal and self.shown:
            sys.stderr.write("\r\x1b[K")
        if self.shown or word != "done":
            say(f"{self.title}: {word} ({time.monotonic() - self.start:.0f} s)")


def run(title, argv, log, env=None, cwd=ROOT, lines=30):
    """Runs argv with its output in build/logs/<log>.  Raises Failure with the output's end if it fails."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / log
    line = _Line(title)
    with open(path, "w") as out:
        try:
            child = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.STDOUT, cwd=cwd, env={**os.environ, **(env or {})})
        except FileNotFoundError as error:
            raise Failure(f"{title}: {error}") from error
        try:
            while True:
                try:
                    status = child.wait(0.2)
                    break
                except subprocess.TimeoutExpired:
                    line.update(next(iter(last_lines(path, 1)), ""))
        except KeyboardInterrupt:
            child.wait()   # it was interrupted too; let it leave a clean state
            line.finish("interrupted")
            raise
    if status:
        line.finish("failed")
        end = "\n".join("  " + text for text in last_lines(path, lines))
        raise Failure(f"{title} failed (status {status}); the end of {path.relative_to(ROOT)}:\n{end}")
    line.finish("done")


def items(title, sequence):
    """Goes through a sequence and shows which item is being worked on."""
    line = _Line(title)
    for item in sequence:
        line.update(str(item))
        yield item
    line.finish("done")


@contextlib.contextmanager
def build_lock():
    """Only one pyrene at a time changes the build folder."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / ".lock", "w") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another pyrene that works in build/")
            fcntl.flock(f, fcntl.LOCK_EX)
        yield
