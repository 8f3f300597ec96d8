# SPDX-License-Identifier: Apache-2.0
"""The rows of a Debian guest: disks, one in memory and then one that is a file of the card's, by dd and Debian's fio, and XenStore.  Counted by a
plugin of QEMU's (tests/bench/stamps.c) from one line on the console to the next, all instructions of the machine."""
import re

import batch
import bench_boot
import bench_plugin
import bench_rows
import cpio
import fio
import progress
import sdcard
from bench_rows import BOOT_SECONDS, DETACH, FOLDER, ROWS_SECONDS
from paths import BUILD, KERNEL_IMAGE
from progress import Failure, build_lock, say

PARTS = ("disk", "linux_store", "file")       # of tests/bench/xen_reference.json
GUEST = FOLDER / "ram_disk.cfg"
RAM_DISK = BUILD / "bench/disk.cpio"          # the cfg names it
CARD, FILE, FILE_BYTES = BUILD / "bench/card.img", "/disk.img", 64 << 20
SHELL = re.compile(r"^/ # ", re.MULTILINE)
ENTERED = re.compile(r"^\[domain \d+: Ctrl-", re.MULTILINE)
WRONG = re.compile(r"^FAILED .*", re.MULTILINE)
READ, WRITE, FLUSHED = "dd of=/dev/null iflag=direct if=/dev", "dd if=/dev/zero oflag=direct of=/dev", "coreutils-dd if=/dev/zero oflag=direct,dsync of=/dev"
# In the guest's shell.  The quotes keep the typed line from looking like the one that is stamped.  fio's words are those that Xen was measured with.
DEFINITIONS = (
    "dmesg -n 1",
    "run() { name=$1; shift; usleep 200000; echo D\"ISK\" $name; usleep 200000; \"$@\" >/dev/null 2>&1 || echo F\"AILED\" $name; }",
    "random() { fio --name=t --filename=/dev/xvda --rw=randread --bs=4k --direct=1 --ioengine=libaio --size=64M --norandommap --randrepeat=1 "
    "--output-format=terse --iodepth=$1 --number_ios=$2 --output=/tmp/fio; }",
    "commands() { i=0; while [ $i -lt $1 ]; do xenstore-read name || return; i=$((i + 1)); done; }",
    "few=$(yes name | head -n 2000); many=$(yes name | head -n 8000)",
)
# While the machine waits for the host's disk, time is the host's: else timers would end at once, again and again, which would count.
REAL_IDLENESS = ["-icount", "shift=0,sleep=on"]


def _disk_runs(prefix, device):
    return {
        f"{prefix}_read_4k_4096": f"{READ}/{device} bs=4k count=4096",
        f"{prefix}_read_4k_8192": f"{READ}/{device} bs=4k count=8192",
        f"{prefix}_write_4k_8192": f"{WRITE}/{device} bs=4k count=8192",
        f"{prefix}_read_1m_64": f"{READ}/{device} bs=1M count=64",
        f"{prefix}_write_1m_64": f"{WRITE}/{device} bs=1M count=64",
        f"{prefix}_flush_4k_1024": f"{FLUSHED}/{device} bs=4k count=1024",
        f"{prefix}_flush_4k_3072": f"{FLUSHED}/{device} bs=4k count=3072",
    }


def _disk_warm(device):
    return [f"{WRITE}/{device} bs=1M count=64", f"{READ}/{device} bs=1M count=64", f"{READ}/{device} bs=4k count=16",
            f"{FLUSHED}/{device} bs=4k count=16"]


# Each run is counted apart; the first is what a line on the console costs.  What is warm has been used before it is counted.
WARM = [*_disk_warm("xvda"), "random 32 100", "commands 2", "transactions 10"]
RUNS = {
    "nothing": ":",
    **_disk_runs("disk", "xvda"),
    **{f"fio_{depth}_{count}": f"random {depth} {count}" for depth in (1, 32) for count in (2000, 8000)},
    "reads_2000": "xenstore-read $few",
    "reads_8000": "xenstore-read $many",
    "commands_20": "commands 20",
    "commands_60": "commands 60",
    "transactions_2000": "transactions 2000",
    "transactions_8000": "transactions 8000",
}
# With the second disk, which the guest has not before: each disk costs the other's requests some.
FILE_WARM, FILE_RUNS = _disk_warm("xvdb"), _disk_runs("file", "xvdb")


def rows(spent):
    """{row: instructions} from {run: instructions}."""
    def each(what, more, less):
        return (spent[f"{what}_{more}"] - spent[f"{what}_{less}"]) / (more - less)

    result = {}
    for prefix in ("disk", "file"):
        result |= {
            f"{prefix}_read_4k": each(f"{prefix}_read_4k", 8192, 4096),
            f"{prefix}_write_4k": (spent[f"{prefix}_write_4k_8192"] - spent["nothing"]) / 8192,
            f"{prefix}_read_1m": (spent[f"{prefix}_read_1m_64"] - spent["nothing"]) / 64,
            f"{prefix}_write_1m": (spent[f"{prefix}_write_1m_64"] - spent["nothing"]) / 64,
            f"{prefix}_write_flush_4k": each(f"{prefix}_flush_4k", 3072, 1024),
        }
    return result | {
        "disk_fio_depth1": each("fio_1", 8000, 2000),
        "disk_fio_depth32": each("fio_32", 8000, 2000),
        "linux_xenstore_read": each("reads", 8000, 2000),
        "linux_xenstore_command": each("commands", 60, 20),
        "linux_xenstore_transaction": each("transactions", 8000, 2000),
    }


def _prepare():
    """The guest's RAM disk, with the program that makes transactions behind it; and the card."""
    with build_lock():
        fio.ensure()
    program = bench_plugin.FOLDER / "transactions"
    bench_plugin.FOLDER.mkdir(exist_ok=True)
    progress.run("compiling transactions", ["aarch64-linux-gnu-gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-o", program,
                                            FOLDER / "transactions.c"], "bench-transactions.log")
    RAM_DISK.write_bytes(fio.behind(fio.RAM_DISK.read_bytes(), [cpio.file("usr/bin/transactions", program.read_bytes(), 0o755)]))
    content = CARD.with_suffix(".content")
    with open(content, "wb") as file:
        file.truncate(FILE_BYTES)
    sdcard.make_card(CARD, FILE, content)
    content.unlink()


def _type(console, line):
    console.type(line + "\n")
    console.expect(SHELL, ROWS_SECONDS)
    if wrong := WRONG.search(console.before):
        raise Failure(f"a Debian guest: {wrong[0]}")


def _runs(console, warm, runs):
    for command in warm:
        _type(console, f"run warm {command}")
    for name, command in runs.items():
        _type(console, f"run {name} {command}")
    _type(console, "run end :")


def _talk(console):
    console.expect(batch.PROMPT, BOOT_SECONDS)
    console.type(f"xl create -c {GUEST.name}\n")
    console.expect(SHELL, ROWS_SECONDS)
    for line in DEFINITIONS:
        _type(console, line)
    _runs(console, WARM, RUNS)
    console.type(DETACH)
    console.expect(batch.PROMPT, BOOT_SECONDS)
    console.type(f"xl block-attach disk file:/sd{FILE},xvdb,w; xl console disk\n")
    console.expect(ENTERED, BOOT_SECONDS)
    _type(console, "until [ -b /dev/xvdb ]; do usleep 100000; done")
    _runs(console, FILE_WARM, FILE_RUNS)


def measure():
    """{row: instructions} of all PARTS."""
    _prepare()
    out = bench_plugin.FOLDER / "linux.txt"
    end = bench_boot.KERNEL_ADDRESS + KERNEL_IMAGE.stat().st_size
    plugin = (f"{bench_plugin.compiled('stamps')},kernel={bench_boot.KERNEL_ADDRESS:x}-{end:x},uart={bench_boot.UART:x},out={out}")
    # What the guest flushes is QEMU's then, and need not reach the host's disk.
    card = ["-drive", f"if=none,id=disk,format=raw,cache=unsafe,file={CARD}", "-device", "virtio-blk-device,drive=disk"]
    line = bench_rows.command("virt", guests=[GUEST], qemu=["-m", "3072", *card, *REAL_IDLENESS, "-plugin", plugin])
    say("measuring a Debian guest's disks and XenStore")
    bench_rows.dialogue("a Debian guest", line, _talk)
    stamps = []
    for match in filter(None, map(bench_boot.STAMP.fullmatch, out.read_text(errors="replace").splitlines())):
        if match[5].startswith("DISK "):
            stamps.append((match[5].split()[1], int(match[4])))
    spent = {name: after - before for (name, before), (_, after) in zip(stamps, stamps[1:])}
    missing = {*RUNS, *FILE_RUNS} - set(spent)
    if missing:
        raise Failure(f"a Debian guest: not counted: {', '.join(sorted(missing))}")
    return rows(spent)
