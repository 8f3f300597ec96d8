# SPDX-License-Identifier: Apache-2.0
"""Disk images as a loss of power leaves them, from the log of QEMU's block filter blklogwrites.

The log (the format of Linux's dm-log-writes): sectors of 512 bytes; the first is a superblock, which is written too seldom to be of use; then
for each request that the disk has carried out, and before it is answered, a sector with {sector, sectors, flags, unused}, 64 bits each,
little-endian, and a write's data.
"""
import struct
from collections import namedtuple

SECTOR = 512
FLUSH, FUA, DISCARD = 1, 2, 4
TORN = 0.2                          # of the writes that survive unflushed: only a first part does
SURVIVING = (0, 0.3, 0.7, 1)        # share of them, one of these

Entry = namedtuple("Entry", "sector data flags end")   # end: how long the log is with it


def options(image, log):
    """QEMU's words for a block device `disk` on the image, whose requests are logged.  The host's own flushes are of no use here."""
    path = {"file": image, "log": log}
    return ["-blockdev", "driver=blklogwrites,node-name=disk,log-sector-size=512," + ",".join(
        f"{name}.driver=file,{name}.filename={path[name]},{name}.cache.no-flush=on" for name in path)]


def read(path):
    """The entries.  Where QEMU was killed while it wrote one, it and what follows count as not done: neither was answered, nor flushed later."""
    entries = []
    with open(path, "rb") as log:
        log.seek(SECTOR)
        while len(head := log.read(SECTOR)) == SECTOR:
            sector, count, flags, _ = struct.unpack_from("<4Q", head)
            if count == 0 and flags == 0:
                break
            data = b"" if flags & DISCARD else log.read(count * SECTOR)
            if not flags & DISCARD and len(data) != count * SECTOR:
                break
            entries.append(Entry(sector, data, flags, log.tell()))
    return entries


def flushed(entries):
    """How many entries a flush has made durable."""
    return max((i + 1 for i, entry in enumerate(entries) if entry.flags & FLUSH), default=0)


def cut(image, entries, chance):
    """Does to the image, as it was before the log, what has survived: all before the last flush, and of the rest what chance (a random.Random) wants.
    Returns how many writes were lost, whole or in part."""
    durable, lost = flushed(entries), 0
    share = chance.choice(SURVIVING)
    with open(image, "r+b") as out:
        for i, entry in enumerate(entries):
            data = entry.data
            if i >= durable and not entry.flags & FUA:
                if chance.random() >= share:
                    data = b""
                elif chance.random() < TORN:
                    data = data[:chance.randrange(len(data) // SECTOR + 1) * SECTOR]
            lost += len(data) != len(entry.data)
            out.seek(entry.sector * SECTOR)
            out.write(data)
    return lost
