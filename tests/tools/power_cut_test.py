# SPDX-License-Identifier: Apache-2.0
"""The tools of system/power_cut: what a cut leaves of a disk, and what is said of that."""
import random
import struct
import tempfile
import unittest
from pathlib import Path

import records
import write_log
from records import IN_PLACE, PLACE_BYTES, SECTOR, Wrong


def entry(sector, count, flags, data=b""):
    return struct.pack("<4Q", sector, count, flags, 0).ljust(SECTOR, b"\0") + data


class WriteLogTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.log, self.image = (Path(self.folder.name) / name for name in ("log", "image"))
        self.image.write_bytes(b"." * 4 * SECTOR)

    def tearDown(self):
        self.folder.cleanup()

    def entries(self, *parts):
        self.log.write_bytes(bytes(SECTOR) + b"".join(parts))
        return write_log.read(self.log)

    def test_what_is_not_complete_ends_the_log(self):
        whole = entry(1, 1, 0, b"a" * SECTOR)
        self.assertEqual(len(self.entries(whole, entry(0, 0, write_log.FLUSH), whole)), 3)
        self.assertEqual(len(self.entries(whole, bytes(SECTOR), whole)), 1)
        self.assertEqual(len(self.entries(whole, entry(1, 2, 0, b"a" * SECTOR))), 1)

    def test_what_was_flushed_stays_and_the_rest_may_not(self):
        entries = self.entries(entry(0, 1, 0, b"a" * SECTOR), entry(0, 0, write_log.FLUSH), entry(1, 1, 0, b"b" * SECTOR),
                               entry(2, 1, write_log.FUA, b"c" * SECTOR), entry(0, 1, 0, b"d" * SECTOR))
        seen = set()
        for seed in range(50):
            self.image.write_bytes(b"." * 4 * SECTOR)
            lost = write_log.cut(self.image, entries, random.Random(seed))
            found = self.image.read_bytes()[::SECTOR].decode()
            seen.add((found, lost))
        self.assertEqual(seen, {("d.c.", 1), ("dbc.", 0), ("a.c.", 2), ("abc.", 1)})


class WriterTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        (self.path / "a").mkdir()
        self.put("places", records.FIRST_CONTENT)
        self.writer = records.Writer("a")
        # 1: place 0; 2: a line; 3: file-1.
        for number in (1, 2, 3):
            self.writer.acknowledge(number)
        self.place(1)
        self.put("lines", b"2\n")
        self.put("file-1", self.writer.record(3, self.writer.size(3)))

    def tearDown(self):
        self.folder.cleanup()

    def put(self, name, data):
        (self.path / "a" / name).write_bytes(data)

    def place(self, number, sectors=PLACE_BYTES // SECTOR, at=None):
        places = bytearray((self.path / "a/places").read_bytes())
        begin = (records.place_of(number) if at is None else at) * PLACE_BYTES
        places[begin:begin + sectors * SECTOR] = self.writer.record(number, PLACE_BYTES)[:sectors * SECTOR]
        self.put("places", bytes(places))

    def wrong(self):
        with self.assertRaises(Wrong):
            self.writer.check(self.path)

    def test_all_that_was_acknowledged_is_there(self):
        self.writer.check(self.path)
        self.assertEqual((self.writer.first, self.writer.acknowledged), (4, 0))
        self.writer.check(self.path)   # and nothing was added

    def test_what_was_on_its_way_may_be_there_or_in_part(self):
        self.place(4, 3)
        self.put("lines", b"2\n5\n")
        self.put("fresh", self.writer.record(6, 100))
        self.writer.check(self.path)
        self.assertEqual(self.writer.first, 7)
        self.put("lines", b"2\n")   # but what was there once stays
        self.wrong()

    def test_a_line_that_was_acknowledged_is_missing(self):
        self.put("lines", b"")
        self.wrong()

    def test_zeros_are_in_the_place_of_a_line_on_its_way_but_of_no_other(self):
        self.put("lines", b"2\n\0\0" + b"8\n")
        self.writer.check(self.path)
        self.put("lines", b"2\n\0\0\0\0")
        self.wrong()

    def test_a_file_that_was_acknowledged_is_missing_short_or_another(self):
        for data in (None, b"", self.writer.record(3, 100), self.writer.record(6, self.writer.size(6))):
            (self.path / "a/file-1").unlink(missing_ok=True)
            if data is not None:
                self.put("file-1", data)
            self.wrong()

    def test_a_place_that_was_acknowledged_has_the_former_content(self):
        self.assertEqual(1 % 3, IN_PLACE)
        self.put("places", records.FIRST_CONTENT)
        self.wrong()

    def test_two_places_can_not_have_been_on_their_way(self):
        self.place(4, 3)
        self.place(7, 3)
        self.wrong()

    def test_a_record_in_anothers_place(self):
        self.place(4, at=5)
        self.wrong()


if __name__ == "__main__":
    unittest.main()
