# SPDX-License-Identifier: Apache-2.0
"""What tests/system/power_cut/writer leaves in a file system, and whether all is there that it had acknowledged."""
import re

PLACES, PLACE_BYTES, SECTOR = 16, 16384, 512
REPLACED, IN_PLACE, APPENDED = range(3)   # a record's kind: its number modulo 3
FIRST_CONTENT = b"x" * (PLACES * PLACE_BYTES)


def place_of(number):
    return number // 3 % PLACES


class Wrong(Exception):
    """Something acknowledged is not there, or something is there that nobody wrote."""


class Writer:
    """One writer's folder over all boots: what is known to be in it, and what was acknowledged since."""

    def __init__(self, name):
        self.name = name
        self.first = 1                     # record of the present boot
        self._acked = []
        self._files = {}                   # place -> content
        self._places = [FIRST_CONTENT[:PLACE_BYTES]] * PLACES
        self._lines = []

    def acknowledge(self, number):
        self._acked.append(number)

    @property
    def acknowledged(self):
        return len(self._acked)

    def record(self, number, size):
        line = f"{self.name} {number}\n".encode()
        return (line * (size // len(line) + 1))[:size]

    def size(self, number):
        return PLACE_BYTES if number % 3 == IN_PLACE else SECTOR * (number % 96 + 1)

    def _numbers(self, data):
        return [int(number) for number in re.findall(rb"\b%s (\d+)\n" % self.name.encode(), data)]

    def _last_acked(self, kind, place):
        """The number below which no record can be in that place any more; None: nothing was acknowledged there."""
        return max((n for n in self._acked if n % 3 == kind and place_of(n) == place), default=None)

    def _is_record(self, data, kind, place):
        """The record that the data is as a whole, one that may be there; else None."""
        numbers = self._numbers(data)
        if not numbers:
            return None
        number, least = numbers[0], self._last_acked(kind, place) or self.first
        good = number >= least and number % 3 == kind and place_of(number) == place and data == self.record(number, self.size(number))
        return number if good else None

    def _check_file(self, place, data):
        """Whole: the one known, unless a later one was acknowledged, or a later one."""
        if self._last_acked(REPLACED, place) is None and data == self._files.get(place):
            return
        if data is None or self._is_record(data, REPLACED, place) is None:
            raise Wrong(f"{self.name}/file-{place}: {self._last_acked(REPLACED, place)} was acknowledged, there is {(data or b'nothing')[:16]}")

    def _is_torn(self, place, data):
        """Whether each sector is the one that was there or that of a later record."""
        acked = self._last_acked(IN_PLACE, place)
        old = self._places[place] if acked is None else self.record(acked, PLACE_BYTES)
        for at in range(0, PLACE_BYTES, SECTOR):
            sector = data[at:at + SECTOR]
            later = [n for n in set(self._numbers(sector)) if n % 3 == IN_PLACE and place_of(n) == place and n >= (acked or self.first)]
            if sector != old[at:at + SECTOR] and not any(sector == self.record(n, PLACE_BYTES)[at:at + SECTOR] for n in later):
                return False
        return True

    def _check_places(self, data):
        torn = 0
        for place in range(PLACES):
            found = data[place * PLACE_BYTES:(place + 1) * PLACE_BYTES]
            if self._last_acked(IN_PLACE, place) is None and found == self._places[place]:
                continue
            if self._is_record(found, IN_PLACE, place) is not None:
                continue
            # The one that was being written.
            torn += 1
            if torn > 1 or len(found) != PLACE_BYTES or not self._is_torn(place, found):
                raise Wrong(f"{self.name}/places, {place}: {self._last_acked(IN_PLACE, place)} was acknowledged, there is {found[:16]}")

    def _check_lines(self, data):
        # ext4 may have made the file longer, for another's fsync, before the line itself was written: then zeros are in its place.
        if not re.fullmatch(rb"(\d+\n|\d*\0+)*", data):
            raise Wrong(f"{self.name}/lines: not only numbers")
        numbers = [int(line) for line in re.findall(rb"(\d+)\n", data)]
        known = len(self._lines)
        later = numbers[known:]
        if numbers[:known] != self._lines or later != sorted(set(later)) or any(n < self.first or n % 3 != APPENDED for n in later):
            raise Wrong(f"{self.name}/lines: other numbers than were written")
        missing = [n for n in self._acked if n % 3 == APPENDED and n not in later]
        if missing:
            raise Wrong(f"{self.name}/lines: {missing} were acknowledged and are not there")
        return numbers

    def check(self, folder):
        """Compares the files below `folder` with what must be there; raises Wrong.  What is there is known from here on."""
        contents = {path.name: path.read_bytes() for path in (folder / self.name).iterdir()}
        files = {place: contents.get(f"file-{place}") for place in range(PLACES)}
        for place, data in files.items():
            self._check_file(place, data)
        places = contents.get("places", b"")
        self._check_places(places)
        lines = self._check_lines(contents.get("lines", b""))
        seen = [number for data in [*contents.values()] for number in self._numbers(data)]
        self.first = max([self.first, *self._acked, *lines, *seen]) + 1
        self._acked, self._lines = [], lines
        self._files = {place: data for place, data in files.items() if data is not None}
        self._places = [places[at:at + PLACE_BYTES] for at in range(0, PLACES * PLACE_BYTES, PLACE_BYTES)]
