# SPDX-License-Identifier: Apache-2.0
import contextlib
import io
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import bundle
import sdcard
from progress import Failure

NAMES = {"IMAGE": "sd.img", "OLD_IMAGE": "sd.img.old", "FOLDER": "sd"}
DISK_BYTES = 40 << 20
SMALL = {"BYTES": 128 << 20, "BOOT_BYTES": 63 << 20, "DATA_FIRST": 64 << 20}
TOOLS = "PATH=$PATH:/usr/sbin "


def output(command):
    return subprocess.run(["bash", "-c", TOOLS + command], capture_output=True, text=True, check=True).stdout


class SdCardTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        for name in ("config.txt", "tree.dtb", "pyrene.img", "bundle.list", "packed", "guest.cfg", "vmlinuz"):
            (self.folder / name).write_text(name)
        boot = {name: self.folder / name for name in ("config.txt", "tree.dtb", "pyrene.img")}
        data = {"guest.cfg": self.folder / "guest.cfg", "guests/vmlinuz": self.folder / "vmlinuz"}
        with open(self.folder / "root.img", "wb") as disk:   # sparse
            disk.write(b"begin")
            disk.seek(17_000_000)
            disk.write(b"middle" * 1000)
            disk.truncate(DISK_BYTES)
        values = {**SMALL, **{name: self.folder / at for name, at in NAMES.items()}, "BOOT": boot, "DATA": data,
                  "DISKS": {"guests/root.img": self.folder / "root.img"}}
        for name, value in values.items():
            self.patch(sdcard, name, value)
        self.patch(bundle, "make", lambda: self.folder / "packed")
        self.patch(bundle, "sources", lambda listing: [self.folder / "bundle.list"])
        self.patch(sdcard, "build_lock", contextlib.nullcontext)
        self.image = self.folder / "sd.img"

    def patch(self, module, name, value):
        patcher = mock.patch.object(module, name, value)
        patcher.start()
        self.addCleanup(patcher.stop)

    def ensure(self):
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(sdcard.ensure(), self.image)
        return self.image.stat().st_ino

    def ext4(self, request, *options):
        part = self.folder / "ext4"
        output(f"dd if={self.image} of={part} bs=1M skip=64 conv=sparse status=none && e2fsck -fn {part}")
        return output(f"debugfs {' '.join(options)} -R '{request}' {part}")

    def boot_file(self, name):
        return output(f"mtype -i {self.image}@@1M ::{name}")

    def test_what_is_on_it(self):
        self.ensure()
        table = output(f"sfdisk --dump {self.image}")
        self.assertRegex(table, r"start= +2048, size= +129024, type=c, bootable")
        self.assertRegex(table, r"start= +131072, size= +131072, type=83")
        for name in ("config.txt", "tree.dtb", "pyrene.img"):
            self.assertEqual(self.boot_file(name), name)
        self.assertEqual(self.boot_file("bundle.cpio"), "packed")
        self.assertEqual(self.ext4("cat /guests/vmlinuz"), "vmlinuz")
        self.assertEqual(self.ext4("cat /guest.cfg"), "guest.cfg")
        self.assertEqual([path.name for path in self.folder.iterdir() if path.name == "sd"], [])

    def test_guests_disks_have_no_holes(self):
        self.ensure()
        extents = self.ext4("dump_extents -l /guests/root.img")
        self.assertNotIn("Uninit", extents)
        self.assertEqual(sum(int(row.split()[-1]) for row in extents.splitlines()[1:]) * 4096, DISK_BYTES)
        self.ext4(f"dump /guests/root.img {self.folder / 'read'}")
        self.assertEqual((self.folder / "read").read_bytes(), (self.folder / "root.img").read_bytes())
        self.assertLess(self.image.stat().st_blocks * 512, DISK_BYTES, "zeros take no room on the host")

    def test_a_file_is_put_there_and_replaced(self):
        self.ensure()
        for content in (b"x" * 5_000_000, b"", b"y" * 3000):
            source = self.folder / "my.img"
            with open(source, "wb") as file:
                file.write(content)
                file.truncate(max(len(content), 6_000_001))   # a hole at its end
            with contextlib.redirect_stderr(io.StringIO()):
                sdcard.put(source, "/a/b/my.img")
            self.assertNotIn("Uninit", self.ext4("dump_extents -l /a/b/my.img"))
            self.ext4(f"dump /a/b/my.img {self.folder / 'read'}")
            self.assertEqual((self.folder / "read").read_bytes(), source.read_bytes())
        with open(self.folder / "large", "wb") as file:
            file.truncate(1 << 30)
        before = self.image.stat().st_ino
        for source, name in ((source, "/a"), (self.folder / "large", "/large")):
            with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(Failure):
                sdcard.put(source, name)
            self.assertEqual(self.image.stat().st_ino, before)

    def test_it_is_kept_between_runs(self):
        self.assertEqual(self.ensure(), self.ensure())

    def test_a_new_kernel_leaves_the_ext4_partition_as_it_is(self):
        first = self.ensure()
        with open(self.image, "r+b") as image:
            image.seek((128 << 20) - 5)
            image.write(b"users")
        (self.folder / "pyrene.img").write_text("another")
        self.assertNotEqual(self.ensure(), first)
        self.assertEqual(self.boot_file("pyrene.img"), "another")
        self.assertEqual(self.image.read_bytes()[-5:], b"users")

    def test_other_guests_files_make_it_again(self):
        self.ensure()
        (self.folder / "vmlinuz").write_text("newer")
        self.ensure()
        self.assertEqual(self.ext4("cat /guests/vmlinuz"), "newer")
        self.image = self.folder / "sd.img.old"
        self.assertEqual(self.ext4("cat /guests/vmlinuz"), "vmlinuz")

    def test_an_interruption_leaves_the_old_one(self):
        first = self.ensure()
        (self.folder / "vmlinuz").write_text("newer")
        for step in ("mke2fs", "mformat", "mcopy"):
            run = sdcard.progress.run

            def interrupted(title, argv, *rest, step=step, run=run, **options):
                if argv[0] == step:
                    raise KeyboardInterrupt
                run(title, argv, *rest, **options)

            with mock.patch.object(sdcard.progress, "run", interrupted), self.assertRaises(KeyboardInterrupt):
                self.ensure()
            self.assertEqual(self.image.stat().st_ino, first)
            self.assertEqual(self.ext4("cat /guests/vmlinuz"), "vmlinuz")
        self.ensure()
        self.assertEqual(self.ext4("cat /guests/vmlinuz"), "newer")

    def test_one_that_is_in_use_is_not_replaced(self):
        self.ensure()
        (self.folder / "vmlinuz").write_text("newer")
        code = f"import fcntl; f = open('{self.image}', 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX, 1, 101); print(flush=True); input()"
        with subprocess.Popen(["python3", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            holder.stdout.readline()
            with self.assertRaises(Failure):
                self.ensure()
            holder.communicate(b"\n")
        self.ensure()


if __name__ == "__main__":
    unittest.main()
