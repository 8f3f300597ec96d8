# SPDX-License-Identifier: Apache-2.0
"""The default SD image, build/sd.img: a FAT partition that the board boots from, and an ext4 partition with guests' files.

It is made without root's rights (sfdisk, mtools, mke2fs, debugfs), beside the old one, and renamed when it is complete.  What was written to the
ext4 partition is kept as long as the host's files for it are the same; a new kernel or bundle replaces the FAT partition only.  With new files the
old image is kept beside the new one, as guests may have written to it.
"""
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess

import bundle
import guests
import progress
from paths import BUILD, DEVICE_TREE, GUESTS, KERNEL_IMAGE, TOOLS
from progress import Failure, build_lock

IMAGE = BUILD / "sd.img"
OLD_IMAGE = BUILD / "sd.img.old"
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
DATA = {"guest.cfg": TOOLS / "guest/sd-guest.cfg", "ram.cfg": TOOLS / "guest/sd-ram.cfg", "guests/vmlinuz": GUESTS / "vmlinuz-cloud",
        "guests/initramfs.cpio.gz": GUESTS / "initramfs.cpio.gz"}
# Files that guests use as disks: allocated as a whole, with initialised extents, as fs wants them.
DISKS = {"guests/debian.img": GUESTS / guests.ROOT_IMAGE}
BLOCK = 4096


def _pieces(path):
    """(offset, bytes) of what a sparse file has, in pieces of up to a MiB."""
    with open(path, "rb") as file:
        end, at = path.stat().st_size, 0
        while at < end:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                return   # a hole until its end
            hole = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            while at < hole:
                file.seek(at)
                piece = file.read(min(MIB, hole - at))
                yield at, piece
                at += len(piece)


def _contents(paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        for at, piece in _pieces(path):
            digest.update(f"{at}\0".encode())
            digest.update(piece)
    return digest.hexdigest()


def _versions(paths):
    """Of what is built here: hundreds of MB with what debuggers need."""
    return hashlib.sha256("".join(f"{path.name}\0{path.stat().st_size}\0{path.stat().st_mtime_ns}\n" for path in paths).encode()).hexdigest()


def _wanted():
    layout = f"{BYTES} {BOOT_FIRST} {BOOT_BYTES} {DATA_FIRST}"
    return {"layout": layout, "boot": _versions([*BOOT.values(), *bundle.sources(bundle.DEFAULT_LIST)]), "data": _contents([*DATA.values(), *DISKS.values()])}


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


def _make_ext4(image, tree):
    _step("making the SD image's ext4 partition", "mke2fs", "-q", "-F", "-t", "ext4", "-b", 4096, "-L", EXT4_LABEL, "-d", tree, "-E",
          f"offset={DATA_FIRST},root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1", image, f"{(BYTES - DATA_FIRST) // 1024}k")


def _make_data(image):
    tree = FOLDER / "tree"
    for name, path in DATA.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tree / name)
    for name in DISKS:
        (tree / name).touch()
    _make_ext4(image, tree)
    for name in progress.items("copying guests' disks to the SD image", DISKS):
        _add_disk(image, f"/{name}", DISKS[name])


def _debugfs(image, commands, write=False):
    """Its output.  Errors are only told there."""
    script = FOLDER / "debugfs"
    script.write_text("".join(f"{command}\n" for command in commands))
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    done = subprocess.run(["debugfs", *(["-w"] if write else []), "-f", str(script), f"{image}?offset={DATA_FIRST}"],
                          capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})
    if done.returncode:
        raise Failure(f"debugfs fails: {done.stderr.strip()}")
    return done.stdout


def _is_there(image, name):
    return "Inode:" in _debugfs(image, [f"stat {name}"])


def _extents(image, name):
    """(logical block, physical block, blocks, whether it is initialised)."""
    rows = re.findall(r"^ *\d+/ *\d+ +\d+/ *\d+ +(\d+) - +\d+ +(\d+) - +\d+ +(\d+) *(Uninit)?$", _debugfs(image, [f"dump_extents -l {name}"]),
                      re.MULTILINE)
    return [(int(logical), int(physical), int(blocks), not state) for logical, physical, blocks, state in rows]


def _add_disk(image, name, source):
    """Gives an empty file of the ext4 partition the content of `source`, without holes."""
    size = source.stat().st_size
    blocks = (size + BLOCK - 1) // BLOCK
    _debugfs(image, [f"fallocate {name} 0 {blocks - 1}", f"set_inode_field {name} size {size}"], write=True)
    commands = [f"extent_open {name}"]
    for logical, physical, count, _ in _extents(image, name):
        commands += [f"goto_block {logical}", f"replace_node {logical} {count} {physical}"]
    _debugfs(image, [*commands, "extent_close"], write=True)
    extents = _extents(image, name)
    if not all(initialised for *_, initialised in extents) or sum(count for _, _, count, _ in extents) != blocks:
        raise Failure(f"{name} can not be allocated on the card; is there room for it (`df` at Pyrene's prompt)?")
    with open(image, "r+b") as out:
        for _, physical, count, _ in extents:
            _clear(out, DATA_FIRST + physical * BLOCK, count * BLOCK)
        for at, piece in _pieces(source):
            while piece:
                logical, physical, count, _ = next(extent for extent in extents if extent[0] <= at // BLOCK < extent[0] + extent[2])
                part = piece[:(logical + count) * BLOCK - at]
                out.seek(DATA_FIRST + physical * BLOCK + at - logical * BLOCK)
                out.write(part)
                at, piece = at + len(part), piece[len(part):]


def make_card(image, name, source):
    """A card without a boot partition's content, whose ext4 partition has `source` as its one file."""
    with build_lock():
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        (tree := FOLDER / "tree").mkdir()
        image.unlink(missing_ok=True)
        with open(image, "wb") as out:
            out.truncate(BYTES)
        _make_table(image)
        _make_ext4(image, tree)
        _debugfs(image, [f"write /dev/null {name}"], write=True)
        _add_disk(image, name, source)
        shutil.rmtree(FOLDER)


def _clear(out, first, count):
    """Zeros, where there is anything else: what was freed keeps its content."""
    end = first + count
    while first < end:
        try:
            first = os.lseek(out.fileno(), first, os.SEEK_DATA)
        except OSError:
            return
        hole = min(os.lseek(out.fileno(), first, os.SEEK_HOLE), end)
        while first < hole:
            out.seek(first)
            first += out.write(bytes(min(MIB, hole - first)))
        out.flush()


def _check(image):
    part = f"{image}?offset={DATA_FIRST}"
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    done = subprocess.run(["e2fsck", "-fn", part], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})
    if done.returncode:
        raise Failure(f"the SD image's ext4 partition is to be repaired first: e2fsck -f '{IMAGE}?offset={DATA_FIRST}'\n{done.stdout[-1000:]}")


def put(source, name):
    """Makes `source` the file `name` of the ext4 partition, in a copy of the image that then takes its place."""
    with build_lock():
        check_unused()
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir()
        fresh = FOLDER / "sd.new"
        _step("copying the SD image", "cp", "--sparse=always", "--reflink=auto", IMAGE, fresh)
        if "Type: directory" in _debugfs(fresh, [f"stat {name}"]):
            raise Failure(f"/sd{name} is a directory")
        _check(fresh)
        for slash in [match.start() for match in re.finditer("/", name)][1:]:
            # One that is there is not made again: debugfs would lose an inode by that.
            if not _is_there(fresh, name[:slash]):
                _debugfs(fresh, [f"mkdir {name[:slash]}"], write=True)
        if _is_there(fresh, name):
            _debugfs(fresh, [f"rm {name}"], write=True)
        _debugfs(fresh, [f"write /dev/null {name}"], write=True)
        for _ in progress.items(f"copying {source.name} to the SD image", [source.name]):
            _add_disk(fresh, name, source)
        _check(fresh)
        fresh.rename(IMAGE)
        shutil.rmtree(FOLDER)


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
            if IMAGE.exists() and any(wanted[part] != present.get(part) for part in ("layout", "data")):
                IMAGE.rename(OLD_IMAGE)
                progress.say(f"the SD image has new guest files; what guests wrote to the former one is in {OLD_IMAGE}")
            fresh.rename(IMAGE)
            shutil.rmtree(FOLDER)
    return IMAGE
