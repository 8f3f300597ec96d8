# SPDX-License-Identifier: Apache-2.0
"""Disk images for tests: with what tests/services/disk_user.cc finds on one, and leaves there; or with a file system.

The former: each sector's content follows from its number and a version: 0 is the host's, in the first MiB.  Behind it is the service's area, then a
sector that says, by its version, which round was flushed as a whole.
"""
import os
import re
import shutil
import struct
import subprocess
import tempfile

from paths import BUILD
from progress import Failure

SECTOR = 512
HOST_SECTORS = 2048
AREA_SECTORS = 64 * 8
MARK = HOST_SECTORS + AREA_SECTORS
WORDS = SECTOR // 8
MASK = (1 << 64) - 1
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def size(text):
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    if not match:
        raise Failure(f"{text} is no size: bytes, or a number with K, M or G")
    return int(match[1]) * UNITS[match[2]]


def _word(sector, version, index):
    product = ((sector << 32) ^ (version << 8) ^ index) * 0x9E3779B97F4A7C15 & MASK
    return product ^ product >> 29


def sector_bytes(sector, version):
    return struct.pack(f"<{WORDS}Q", *(_word(sector, version, index) for index in range(WORDS)))


def make(path, total):
    """A sparse image with the host's pattern."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as image:
        image.write(b"".join(sector_bytes(sector, 0) for sector in range(HOST_SECTORS)))
        image.truncate(total)


def verify(path, rounds=100_000):
    """What is wrong with an image after disk_user has used it, or None; and the round that is marked as flushed."""
    with open(path, "rb") as image:
        content = image.read((MARK + 1) * SECTOR)
    sectors = [content[at:at + SECTOR] for at in range(0, (MARK + 1) * SECTOR, SECTOR)]
    for sector in range(HOST_SECTORS):
        if sectors[sector] != sector_bytes(sector, 0):
            return f"sector {sector} is not the host's any more", 0
    marked = next((r for r in range(1, rounds) if sectors[MARK][:8] == struct.pack("<Q", _word(MARK, r, 0))), None)
    if marked is None or sectors[MARK] != sector_bytes(MARK, marked):
        return "no round is marked as flushed", 0
    # What was flushed with that round, or what the next round has written over it.
    for sector in range(HOST_SECTORS, MARK):
        if sectors[sector] not in (sector_bytes(sector, marked), sector_bytes(sector, marked + 1)):
            return f"sector {sector} is neither of round {marked} nor of the next", marked
    return None, marked


FILES_BYTES, FILES_FIRST = 64 << 20, 1 << 20
REPLAYED = "a note on the CARD\n"
LINE = "abcdefghijklmnopqrstuvwxyz0123456789\n"


TOOLS_ENVIRONMENT = {"PATH": os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])}   # not in a plain user's


def _tool(*words, text=None):
    done = subprocess.run([str(word) for word in words], input=text, capture_output=True, text=True, check=False,
                          env={**os.environ, **TOOLS_ENVIRONMENT})
    if done.returncode:
        raise Failure(f"{words[0]} failed: {done.stderr.strip()}")
    return done.stdout


def check_files(path):
    """What is wrong with the file system of an image of make_files's once its journal is replayed, in e2fsck's words; None: nothing."""
    place = f"{path}?offset={2 * FILES_FIRST}"
    for words, good in ((("e2fsck", "-p", place), (0, 1)), (("e2fsck", "-fn", place), (0,))):
        done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **TOOLS_ENVIRONMENT})
        if done.returncode not in good:
            return f"{' '.join(words)}: {done.stdout.strip()}"
    return None


def make_files(path, state="files", guest=None):
    """An image with a GPT whose second partition is ext4: a long file, many small ones, one with holes; "dirty": its journal has a transaction,
    "damaged": and is none.

    guest: {name: path} of files beside them.
    """
    tree = path.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "many").mkdir(parents=True)
    (tree / "lines").write_text(LINE * 8192)
    (tree / "note").write_text("a note on the card\n")
    with open(tree / "sparse", "wb") as sparse:
        sparse.write(b"begin")
        sparse.truncate(4 << 20)
    (tree / "esc\x1b[2Jape").write_text("")
    for number in range(100):
        (tree / f"many/file-{number:02}").write_text("x" * number)
    for name, source in (guest or {}).items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, tree / name)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    total = FILES_BYTES * (4 if guest else 1)
    with open(fresh, "wb") as image:
        image.truncate(total)
    first = 2 * FILES_FIRST
    sectors = (total - first - FILES_FIRST) // SECTOR
    table = f"label: gpt\nstart={FILES_FIRST // SECTOR}, size={FILES_FIRST // SECTOR}, type=U\nstart={first // SECTOR}, size={sectors}, type=L\n"
    _tool("sfdisk", "--quiet", fresh, text=table)
    options = f"offset={first},root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1"
    _tool("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, "-E", options, fresh, f"{sectors // 2}k")
    if state != "files":
        _leave_transaction(f"{fresh}?offset={first}", "note", REPLAYED.encode())
    if state == "damaged":
        _tool("debugfs", "-w", "-R", "zap_block -f <8> -o 12 -l 4 -p 1 0", f"{fresh}?offset={first}")
    shutil.rmtree(tree)
    fresh.rename(path)


def _leave_transaction(image, name, content):
    """A transaction in the journal of `image` (debugfs's word), which writes a file's first block anew."""
    block = _tool("debugfs", "-R", f"bmap /{name} 0", image).strip()
    with tempfile.NamedTemporaryFile(dir=BUILD) as new:
        new.write(content[:4096].ljust(4096, b"\0"))
        new.flush()
        _tool("debugfs", "-w", "-f", "-", image, text=f"jo -c\njw -b {block} {new.name}\njc\n")


def make_ext4(path, total, tree):
    """An image that is one ext4 file system with the files of a folder, and whose journal wants to be replayed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(path, "wb") as image:
        image.truncate(total)
    _tool("mke2fs", "-q", "-F", "-t", "ext4", "-b", 4096, "-d", tree, path)
    first = min(file for file in tree.iterdir() if file.is_file())
    _leave_transaction(path, first.name, first.read_bytes())
