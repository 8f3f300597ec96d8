# SPDX-License-Identifier: Apache-2.0
"""Writes cpio archives of the "newc" kind: Linux's initramfs and Pyrene's boot bundle.  Same entries, same bytes.

Format: per entry "070701", 13 fields of 8 hexadecimal digits, the name with its NUL, padding to 4, the data, padding to 4
(Linux: Documentation/driver-api/early-userspace/buffer-format.rst).
"""
import stat
from dataclasses import dataclass

HEADER_SIZE = 110
PAGE = 4096


@dataclass
class Entry:
    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(name, data, permissions=0o644):
    return Entry(name, stat.S_IFREG | permissions, data)


def folder(name):
    return Entry(name, stat.S_IFDIR | 0o755)


def link(name, target):
    return Entry(name, stat.S_IFLNK | 0o777, target.encode())


def character_device(name, major, minor):
    return Entry(name, stat.S_IFCHR | 0o600, device=(major, minor))


def archive(entries, align=4):
    """The archive's bytes.  With align=PAGE each file's data begins on a page: its name is followed by more NULs than one."""
    out = bytearray()
    for number, entry in enumerate([*entries, Entry("TRAILER!!!", 0)], 1):
        name = entry.name.encode() + b"\0"
        step = align if entry.data else 4
        name += bytes(-(len(out) + HEADER_SIZE + len(name)) % step)
        links = 2 if stat.S_ISDIR(entry.mode) else 1
        inode = 0 if entry.name == "TRAILER!!!" else number
        fields = [inode, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0, *entry.device, len(name), 0]
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name + entry.data
        out += bytes(-len(out) % 4)
    out += bytes(-len(out) % 512)
    return bytes(out)
