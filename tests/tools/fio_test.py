# SPDX-License-Identifier: Apache-2.0
import unittest

import cpio
import fio


class BehindTest(unittest.TestCase):
    def test_the_archive_begins_where_linux_looks_for_one(self):
        for length in range(5):
            disk = fio.behind(b"x" * length, [cpio.folder("usr")])
            at = disk.index(b"070701")
            self.assertEqual((at % 4, disk[:at].rstrip(b"\0")), (0, b"x" * length))
            self.assertLess(at - length, 4)


if __name__ == "__main__":
    unittest.main()
