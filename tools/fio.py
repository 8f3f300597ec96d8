# SPDX-License-Identifier: Apache-2.0
"""Debian's fio and coreutils' dd for guests of tests and of the bench, in memory: the default guests' RAM disk with another archive behind it.

Apart from what guests.py makes: fio is linked with the clients of network file systems, 85 MB of libraries, which no other guest needs.  A guest
without a root file system has them in its path; to one with root= the script with-root gives fio, as /tmp/fio.
"""
import hashlib
import shutil
from pathlib import Path

import cpio
import guests
from aptarea import extract
from paths import BUILD, GUESTS, ROOT, TOOLS
from progress import Failure, items
from sysroot import arm64

FOLDER = BUILD / "fio"
RAM_DISK = FOLDER / "initramfs.cpio"   # not compressed: the guest would need longer to unpack it
PACKAGES = ["fio", "coreutils"]
PROGRAMS = {"fio": "usr/bin/fio", "coreutils-dd": "bin/dd"}   # busybox has a dd of its own, which knows no oflag=dsync
WITH_ROOT = ROOT / "tests/system/guests/with-root"
INPUTS = [Path(__file__), TOOLS / "cpio.py", TOOLS / "guests.py", WITH_ROOT, GUESTS / ".stamp"]


def behind(disk, entries):
    """A RAM disk's bytes with an archive behind them, which Linux looks for at a multiple of four."""
    return disk + bytes(-len(disk) % 4) + cpio.archive(entries)


def _make(fresh):
    area = arm64()
    area.prepare()
    debs = area.download(PACKAGES, "fio-download.log", dependencies=True)
    tree = fresh / "tree"
    tree.mkdir(parents=True)
    for package in items("unpacking fio", debs):
        extract(debs[package], tree)
    entries = [cpio.file("with-root", WITH_ROOT.read_bytes(), 0o755), *guests.programs(tree, {name: tree / path for name, path in PROGRAMS.items()})]
    shutil.rmtree(tree)
    (fresh / RAM_DISK.name).write_bytes(behind((GUESTS / "initramfs.cpio.gz").read_bytes(), entries))


def ensure():
    """Makes the RAM disk unless it is there; guests.ensure() was before."""
    if not INPUTS[-1].exists():
        raise Failure("fio: the default guests' RAM disk is missing")
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in INPUTS)).hexdigest()
    stamp = FOLDER / ".stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    fresh = FOLDER.with_name("fio.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    _make(fresh)
    (fresh / ".stamp").write_text(wanted)
    shutil.rmtree(FOLDER, ignore_errors=True)
    fresh.rename(FOLDER)
