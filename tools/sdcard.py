# SPDX-License-Identifier: Apache-2.0
"""The default SD image, build/sd.img: a FAT partition that the board boots from, and an ext4 partition with guests' files.

It is made without root's rights (sfdisk, mtools, mke2fs), beside the old one, and renamed when it is complete.  What was written to the ext4
partition is kept as long as the host's files for it are the same; a new kernel or bundle replaces the FAT partition only.
"""
import fcntl
import hashlib
import json
import os
import shutil

import bundle
import progress
from paths import BUILD, DEVICE_TREE, GUESTS, KERNEL_IMAGE, TOOLS
from progress import Failure, build_lock

IMAGE = BUILD / "sd.img"
STAMP_AT, STAMP_BYTES = 1024, 512   # what the image was made from, within it, between the partition table and the first partition
LOCKED_AT, LOCKED_BYTES = 100, 200  # of a disk image, by QEMU while it uses it
FOLDER = BUILD / "sd"            # scratch
MIB = 1 << 20
BYTES = 4096 * MIB               # a power of two, as QEMU's cards are; sparse
BOOT_FIRST, BOOT_BYTES = 1 * MIB, 255 * MIB
DATA_FIRST = BOOT_FIRST + BOOT_BYTES
FAT_LABEL, EXT4_LABEL = "PYRENE", "pyrene"

BOOT = {"config.txt": TOOLS / "board/config.txt", DEVICE_TREE.name: DEVICE_TREE, "pyrene.img": KERNEL_IMAGE}
BUNDLE_NAME = "bundle.cpio"
DATA = {"guest.cfg": TOOLS / "guest/sd-guest.cfg", "guests/vmlinuz": GUESTS / "vmlinuz-cloud",
        "guests/initramfs.cpio.gz": GUESTS / "initramfs.cpio.gz"}


def _contents(paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _versions(paths):
    """Of what is built here: hundreds of MB with what debuggers need."""
    return hashlib.sha256("".join(f"{path.name}\0{path.stat().st_size}\0{path.stat().st_mtime_ns}\n" for path in paths).encode()).hexdigest()


def _wanted():
    layout = f"{BYTES} {BOOT_FIRST} {BOOT_BYTES} {DATA_FIRST}"
    return {"layout": layout, "boot": _versions([*BOOT.values(), *bundle.sources(bundle.DEFAULT_LIST)]), "data": _contents(DATA.values())}


def _present():
    try:
        with open(IMAGE, "rb") as image:
            image.seek(STAMP_AT)
            return json.loads(image.read(STAMP_BYTES).rstrip(b"\0"))
    except (OSError, ValueError):
        return {}


def _write_stamp(image, wanted):
    text = json.dumps(wanted).encode()
    with open(image, "r+b") as out:
        out.seek(STAMP_AT)
        out.write(text.ljust(STAMP_BYTES, b"\0"))


def check_unused(otherwise=""):
    """A QEMU that has the image writes to it; one that is made again would leave it with the old one."""
    if not IMAGE.exists():
        return
    with open(IMAGE, "r+b") as image:
        try:
            fcntl.lockf(image, fcntl.LOCK_EX | fcntl.LOCK_NB, LOCKED_BYTES, LOCKED_AT)
        except OSError:
            raise Failure(f"{IMAGE} is in use by a QEMU that runs{otherwise}: end that one, or use --disk none") from None


def _step(title, *argv):
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])   # not in a plain user's
    progress.run(title, argv, "sdcard.log", env={"PATH": path})


def _make_table(image):
    script = FOLDER / "table"
    script.write_text(f"label: dos\nunit: sectors\nstart={BOOT_FIRST // 512}, size={BOOT_BYTES // 512}, type=c, bootable\n"
                      f"start={DATA_FIRST // 512}, size={(BYTES - DATA_FIRST) // 512}, type=83\n")
    _step("making the SD image's partitions", "bash", "-c", 'sfdisk --quiet "$1" <"$2"', "sfdisk", image, script)


def _make_boot(image):
    files = dict(BOOT)
    files[BUNDLE_NAME] = FOLDER / BUNDLE_NAME
    shutil.copyfile(bundle.make(), files[BUNDLE_NAME])
    drive = f"{image}@@{BOOT_FIRST}"
    _step("making the SD image's boot partition", "mformat", "-i", drive, "-F", "-v", FAT_LABEL, "-T", BOOT_BYTES // 512, "-H", BOOT_FIRST // 512,
          "::")
    for name, path in files.items():
        _step(f"copying {name} to the SD image", "mcopy", "-i", drive, "-o", path, f"::{name}")


def _make_data(image):
    tree = FOLDER / "tree"
    for name, path in DATA.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tree / name)
    _step("making the SD image's ext4 partition", "mke2fs", "-q", "-F", "-t", "ext4", "-b", 4096, "-L", EXT4_LABEL, "-d", tree, "-E",
          f"offset={DATA_FIRST},root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1", image, f"{(BYTES - DATA_FIRST) // 1024}k")


def _make(fresh, wanted, present):
    """The image `fresh`: what is the same in the present one is taken from there."""
    keeps_data = all(wanted[part] == present.get(part) for part in ("layout", "data"))
    if keeps_data:
        _step("copying the SD image", "cp", "--sparse=always", "--reflink=auto", IMAGE, fresh)
    else:
        with open(fresh, "wb") as image:
            image.truncate(BYTES)
        _make_table(fresh)
        _make_data(fresh)
    _make_boot(fresh)


def ensure():
    """Makes the image unless it is there already; returns its path."""
    with build_lock():
        wanted, present = _wanted(), _present()
        if wanted != present:
            check_unused(", and is to be made again")
            shutil.rmtree(FOLDER, ignore_errors=True)
            FOLDER.mkdir()
            fresh = FOLDER / "sd.new"
            _make(fresh, wanted, present)
            _write_stamp(fresh, wanted)
            fresh.rename(IMAGE)
            shutil.rmtree(FOLDER)
    return IMAGE
