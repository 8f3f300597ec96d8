# SPDX-License-Identifier: Apache-2.0
"""The rows of a guest's RAM disk: a Debian guest's dd, and a reader that keeps 32 requests under way (tests/bench/depth.c).  Counted by a
plugin of QEMU's (tests/bench/stamps.c) from one line on the console to the next, all instructions of the machine."""
import gzip
import re

import batch
import bench_boot
import bench_plugin
import bench_rows
import cpio
import progress
from bench_rows import BOOT_SECONDS, FOLDER, ROWS_SECONDS
from paths import BUILD, KERNEL_IMAGE
from progress import Failure, say

GUEST = FOLDER / "ram_disk.cfg"
RAM_DISK = BUILD / "bench/disk.cpio.gz"   # the cfg names it
SHELL = re.compile(r"^/ # ", re.MULTILINE)
WRONG = re.compile(r"^FAILED .*", re.MULTILINE)
READ, WRITE = "dd if=/dev/xvda of=/dev/null iflag=direct", "dd if=/dev/zero of=/dev/xvda oflag=direct"
# Each is counted apart; the first is what a line on the console costs.
RUNS = {
    "nothing": ":",
    "read_4k_4096": f"{READ} bs=4k count=4096",
    "read_4k_8192": f"{READ} bs=4k count=8192",
    "write_4k_8192": f"{WRITE} bs=4k count=8192",
    "read_1m_64": f"{READ} bs=1M count=64",
    "write_1m_64": f"{WRITE} bs=1M count=64",
    "depth_2000": "depth /dev/xvda 2000",
    "depth_8000": "depth /dev/xvda 8000",
}


def _prepare():
    """The default guest's RAM disk with the reader in a second archive behind it."""
    program = bench_plugin.FOLDER / "depth"
    bench_plugin.FOLDER.mkdir(exist_ok=True)
    progress.run("compiling depth", ["aarch64-linux-gnu-gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-o", program,
                                     FOLDER / "depth.c"], "bench-depth.log")
    more = cpio.archive([cpio.file("usr/bin/depth", program.read_bytes(), 0o755)])
    RAM_DISK.write_bytes((BUILD / "guests/initramfs.cpio.gz").read_bytes() + gzip.compress(more, 9, mtime=0))


def _talk(console):
    console.expect(batch.PROMPT, BOOT_SECONDS)
    console.type(f"xl create -c {GUEST.name}\n")
    console.expect(SHELL, ROWS_SECONDS)
    # The quotes keep the typed line from looking like the one that is stamped.
    console.type("run() { name=$1; shift; sleep 1; echo D\"ISK\" $name; sleep 1; \"$@\" 2>/dev/null || echo F\"AILED\" $name; }\n")
    console.expect(SHELL, BOOT_SECONDS)
    # Every block of the disk and of the guest's kernel has been used before it is counted.
    for warm in (f"{WRITE} bs=1M count=64", f"{READ} bs=1M count=64", f"{READ} bs=4k count=16", "depth /dev/xvda 100"):
        console.type(f"run warm {warm}\n")
        console.expect(SHELL, ROWS_SECONDS)
    for name, command in RUNS.items():
        console.type(f"run {name} {command}\n")
        console.expect(SHELL, ROWS_SECONDS)
        if wrong := WRONG.search(console.before):
            raise Failure(f"a guest's RAM disk: {wrong[0]}")
    console.type("run end :\n")
    console.expect(SHELL, BOOT_SECONDS)


def measure():
    """{row: instructions} of "disk"."""
    _prepare()
    out = bench_plugin.FOLDER / "disk.txt"
    end = bench_boot.KERNEL_ADDRESS + KERNEL_IMAGE.stat().st_size
    plugin = (f"{bench_plugin.compiled('stamps')},kernel={bench_boot.KERNEL_ADDRESS:x}-{end:x},uart={bench_boot.UART:x},out={out}")
    line = bench_rows.command("virt", guests=[GUEST], qemu=["-m", "3072", "-plugin", plugin])
    say("measuring a guest's RAM disk")
    bench_rows.dialogue("a guest's RAM disk", line, _talk)
    stamps = []
    for match in filter(None, map(bench_boot.STAMP.fullmatch, out.read_text(errors="replace").splitlines())):
        if match[5].startswith("DISK "):
            stamps.append((match[5].split()[1], int(match[4])))
    spent = {name: after - before for (name, before), (_, after) in zip(stamps, stamps[1:])}
    missing = set(RUNS) - set(spent)
    if missing:
        raise Failure(f"a guest's RAM disk: not counted: {', '.join(sorted(missing))}")
    nothing = spent["nothing"]
    return {
        "disk_read_4k": (spent["read_4k_8192"] - spent["read_4k_4096"]) / 4096,
        "disk_write_4k": (spent["write_4k_8192"] - nothing) / 8192,
        "disk_read_1m": (spent["read_1m_64"] - nothing) / 64,
        "disk_write_1m": (spent["write_1m_64"] - nothing) / 64,
        "disk_read_depth32": (spent["depth_8000"] - spent["depth_2000"]) / 6000,
    }
