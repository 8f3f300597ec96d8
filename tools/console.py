# SPDX-License-Identifier: Apache-2.0
"""QEMU as a child whose serial line we read and type on."""
import os
import re
import select
import subprocess
import time

TIME_SCALE = float(os.environ.get("PYRENE_TIME_SCALE", "1"))   # for slow machines: all time limits times this
PANIC = re.compile(r"^PANIC", re.MULTILINE)
PANIC_SECONDS = 5.0    # how much longer is waited after a panic, so that its report is complete
CHUNK = 16             # bytes typed at once: the receive FIFO of a PL011
ECHO_SECONDS = 0.05    # how long a chunk's echo is waited for before the next is typed
KEPT = 64 * 1024       # characters kept of what was matched already, for reports
# Carriage returns and control sequences (a shell's line editing) are no part of the text that is matched.
_NOISE = re.compile(r"\r|\x1b\[[0-9;?]*[@-~]|\x1b[=>78]")
_UNFINISHED = re.compile(r"\x1b(\[[0-9;?]*)?\Z")


class Ended(Exception):
    """QEMU is gone."""


class TimedOut(Exception):
    """Nothing matched in time."""


class Refused(Exception):
    """What must not be seen was seen."""

    def __init__(self, line, seen):
        super().__init__(f"line {line}: refused, but seen: {seen}")


def _may_grow(pattern):
    """Whether a match at the end of what has come so far could become another one: a value cut short, a line not complete."""
    return bool(pattern.groupindex) or (pattern.pattern.endswith("$") and not pattern.pattern.endswith(r"\$"))


class Console:
    def __init__(self, command, sink):
        """sink: where the text is copied to as it comes (a text file), or None."""
        self._sink = sink
        self._raw = ""
        self._decode = "utf-8"
        self.text = ""          # everything kept, noise removed
        self.mark = 0           # where in text the next match may begin
        self.before = ""        # what the last match skipped
        self.refused = []       # [pattern, line number, where in text to look from]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._child.stdin.close()
        self._child.stdout.close()

    def kill(self):
        """Ends QEMU at once, wherever it is; what it had said by then is read."""
        self._child.kill()
        try:
            while True:
                self.read(1.0)
        except Ended:
            pass

    @property
    def status(self):
        return self._child.wait()

    def read(self, seconds):
        """Waits up to this long for output; true if some came.  Raises Ended after the last of it, and Refused."""
        if not select.select([self._child.stdout], [], [], max(seconds, 0))[0]:
            return False
        data = os.read(self._child.stdout.fileno(), 65536)
        if not data:
            raise Ended()
        raw = self._raw + data.decode("latin-1")
        tail = _UNFINISHED.search(raw)
        cut = tail.start() if tail else len(raw)
        self._raw, text = raw[cut:], _NOISE.sub("", raw[:cut])
        self.text += text
        if self._sink:
            self._sink.write(text)
            self._sink.flush()
        self._check_refused()
        return True

    def type(self, text):
        """Types in chunks that a small receive FIFO can hold, each after the echo of the one before."""
        data = text.encode("latin-1")
        for at in range(0, len(data), CHUNK):
            try:
                self._child.stdin.write(data[at:at + CHUNK])
            except BrokenPipeError as error:
                raise Ended() from error
            if at + CHUNK < len(data):
                self.read(ECHO_SECONDS)

    def expect(self, pattern, seconds):
        """Waits until the pattern matches what came since the last match; the match counts as read."""
        deadline = time.monotonic() + seconds * TIME_SCALE
        panicked = False
        while True:
            match = pattern.search(self.text, self.mark)
            if match and not (match.end() == len(self.text) and _may_grow(pattern)):
                self.before = self.text[self.mark:match.start()]
                self._consume(match.end())
                return match
            now = time.monotonic()
            if not panicked and PANIC.search(self.text, self.mark):
                panicked = True
                deadline = min(deadline, now + PANIC_SECONDS)
            if now >= deadline:
                raise TimedOut()
            self.read(min(deadline - now, 1.0))

    def watch(self, seconds):
        """Reads for a time without matching anything."""
        deadline = time.monotonic() + seconds * TIME_SCALE
        while (left := deadline - time.monotonic()) > 0:
            self.read(left)

    def wait_end(self, seconds):
        """Waits until QEMU has ended; returns its status."""
        try:
            self.watch(seconds)
        except Ended:
            return self.status
        raise TimedOut()

    def refuse(self, pattern, line):
        self.refused.append([pattern, line, len(self.text)])

    def _check_refused(self):
        for item in self.refused:
            pattern, line, start = item
            match = pattern.search(self.text, start)
            if match:
                raise Refused(line, match[0])
            # A line that is not complete yet is looked at again.
            item[2] = max(start, self.text.rfind("\n") + 1)

    def last_lines(self, count):
        return self.text.splitlines()[-count:]

    def _consume(self, end):
        self.mark = end
        if end > 2 * KEPT:
            cut = end - KEPT
            self.text = self.text[cut:]
            self.mark -= cut
            for item in self.refused:
                item[2] = max(item[2] - cut, 0)
