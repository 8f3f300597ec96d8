# SPDX-License-Identifier: Apache-2.0
import tempfile
import unittest
from pathlib import Path

import bundle
import cpio
from progress import Failure


class SymbolTest(unittest.TestCase):
    def test_parameters_are_dropped(self):
        for name, short in [("main", "main"), ("a::B::c(int, char const*)", "a::B::c"), ("a::f(void (*)(int)) const", "a::f"),
                            ("(anonymous namespace)::g(int)", "(anonymous namespace)::g"),
                            ("a::B::operator()(int) const", "a::B::operator()"),
                            ("f(int) [clone .part.0]", "f"), ("vector_table", "vector_table")]:
            self.assertEqual(bundle._without_parameters(name), short)


class GuestTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        for name in ("a/vmlinuz", "b/vmlinuz"):
            (self.folder / name).parent.mkdir()
            (self.folder / name).write_text(name)

    def guest(self, text, files):
        cfg = self.folder / "x.cfg"
        cfg.write_text(text)
        return bundle._guest(cfg, files).data.decode()

    def test_files_are_renamed(self):
        files = bundle._GuestFiles({})
        text = self.guest('kernel = "a/vmlinuz"  # here\nramdisk=\'b/vmlinuz\'\nextra = "kernel=x"\n', files)
        self.assertEqual(text, 'kernel = "guests/vmlinuz"  # here\nramdisk=\'guests/2-vmlinuz\'\nextra = "kernel=x"\n')
        self.assertEqual({name: entry.data for name, entry in files.entries.items()},
                         {"guests/vmlinuz": b"a/vmlinuz", "guests/2-vmlinuz": b"b/vmlinuz"})

    def test_one_file_is_taken_once(self):
        files = bundle._GuestFiles({})
        self.guest('kernel = "a/vmlinuz"', files)
        self.guest(f'kernel = "{self.folder}/a/vmlinuz"', files)
        self.assertEqual(list(files.entries), ["guests/vmlinuz"])

    def test_what_the_bundle_has_is_used_or_kept(self):
        there = cpio.file("guests/vmlinuz", b"another")
        self.assertIn("guests/2-vmlinuz", self.guest('kernel = "a/vmlinuz"', bundle._GuestFiles({there.name: there})))
        same = cpio.file("guests/kernel", b"a/vmlinuz")
        self.assertIn('"guests/kernel"', self.guest('kernel = "a/vmlinuz"', bundle._GuestFiles({same.name: same})))

    def test_missing_file_is_named(self):
        with self.assertRaises(Failure) as caught:
            self.guest('kernel = "c/vmlinuz"', bundle._GuestFiles({}))
        self.assertIn("c/vmlinuz", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
