# SPDX-License-Identifier: Apache-2.0
import stat
import unittest

import cpio


def read(data):
    """A small newc reader: [(name, mode, offset of data, data)]."""
    entries, at = [], 0
    while True:
        assert data[at:at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        size, name_size = fields[6], fields[11]
        name = data[at + 110:at + 110 + name_size]
        assert name.endswith(b"\0")
        start = at + 110 + name_size
        start += -start % 4
        name = name.rstrip(b"\0").decode()
        if name == "TRAILER!!!":
            return entries
        entries.append((name, fields[1], start, data[start:start + size]))
        at = start + size
        at += -at % 4


class ArchiveTest(unittest.TestCase):
    def test_entries_come_back(self):
        data = cpio.archive([cpio.folder("dev"), cpio.character_device("dev/console", 5, 1), cpio.link("sh", "busybox"),
                             cpio.file("init", b"#!", 0o755)])
        entries = read(data)
        self.assertEqual([e[0] for e in entries], ["dev", "dev/console", "sh", "init"])
        self.assertTrue(stat.S_ISDIR(entries[0][1]))
        self.assertTrue(stat.S_ISCHR(entries[1][1]))
        self.assertEqual((entries[2][1], entries[2][3]), (stat.S_IFLNK | 0o777, b"busybox"))
        self.assertEqual((entries[3][1], entries[3][3]), (stat.S_IFREG | 0o755, b"#!"))

    def test_device_numbers(self):
        data = cpio.archive([cpio.character_device("null", 1, 3)])
        self.assertEqual((data[6 + 8 * 9:6 + 8 * 10], data[6 + 8 * 10:6 + 8 * 11]), (b"00000001", b"00000003"))

    def test_pages(self):
        contents = [b"a" * n for n in (1, 4095, 4096, 4097, 0, 5)]
        data = cpio.archive([cpio.file(f"f{i}", c) for i, c in enumerate(contents)], align=cpio.PAGE)
        entries = read(data)
        self.assertEqual([e[3] for e in entries], contents)
        for name, _, offset, content in entries:
            if content:
                self.assertEqual(offset % cpio.PAGE, 0, name)

    def test_same_bytes(self):
        entries = [cpio.file("x", b"1"), cpio.folder("y")]
        self.assertEqual(cpio.archive(entries), cpio.archive(entries))


if __name__ == "__main__":
    unittest.main()
