# SPDX-License-Identifier: Apache-2.0
"""The rows of disks' blackouts: how long a guest's request takes that meets the death of blkback or of the disk's driver, and how long xl waits for a
file of the card's when fs dies under a busy guest."""
import re

import batch
import bench_boot
import bench_rows
import disk
from bench_rows import BETWEEN_KILLS, BOOT_SECONDS, FOLDER, READY, ROWS_SECONDS
from paths import BUILD
from progress import Failure, say

DISK = FOLDER / "disk.cfg"
BUSY = FOLDER / "busy.cfg"
# Whose requests end at once, whatever the host does.
EMPTY_DISK = ["-blockdev", "driver=null-co,node-name=disk,size=67108864,read-zeroes=on", "-device", "virtio-blk-device,drive=disk"]
KILLED = ("blkback", "virtio-blk")   # in the guest's order; their first letters differ from its name's
LEAST_ANSWERS = 11
FILES = BUILD / "bench/files.img"
BEGIN, FILE, TEXT = "begins", "/sd/note", "a note on the card"   # tools/disk.py has put it there


def _begin(console, guest):
    """Starts the guest; returns how often somebody is to be killed."""
    console.expect(batch.PROMPT, BOOT_SECONDS)
    console.type(f"xl create -c {guest.name}\n")
    kills = int(console.expect(READY, ROWS_SECONDS)[1])
    console.type(bench_rows.DETACH)
    console.expect(batch.PROMPT, BOOT_SECONDS)
    return kills


def _command(console, words):
    console.watch(BETWEEN_KILLS)
    console.type(words + "\n")
    console.expect(batch.PROMPT, BOOT_SECONDS)


def _disk(console):
    kills = _begin(console, DISK)
    for name in KILLED:
        for _ in range(kills):
            _command(console, f"kill {name}")
        rename = f"xenstore-write /local/domain/1/name {name}"
        if name != KILLED[-1]:
            _command(console, rename)
    # In one line: at its end the guest and its console are gone.
    console.type(f"{rename}; xl console disk\n")
    return bench_rows.rows("the guest that uses its disk", console)


def _files(console):
    for _ in range(_begin(console, BUSY)):
        _command(console, f"echo {BEGIN}; kill fs; cat {FILE}")


def answers(stamps):
    """Instructions from each line BEGIN to the file's text behind it."""
    samples, begin = [], None
    for counts, line in stamps:
        if line == BEGIN:
            begin = counts[-1]
        elif re.match(TEXT, line) and begin is not None:
            samples.append(counts[-1] - begin)
            begin = None
    return samples


def _fs():
    disk.make_files(FILES)
    drive = ["-drive", f"if=none,id=disk,format=raw,file={FILES}", "-device", "virtio-blk-device,drive=disk"]
    samples = sorted(answers(bench_boot.stamped("the death of fs", _files, [BUSY], drive)))
    if len(samples) < LEAST_ANSWERS:
        raise Failure(f"the death of fs: {len(samples)} answers")
    return {"blackout_fs_median": float(samples[len(samples) // 2]), "blackout_fs_worst": float(samples[-1])}


def measure():
    """{name: instructions}."""
    say("measuring disks' blackouts")
    found = bench_rows.dialogue("measuring blackouts", bench_rows.command("virt", guests=[DISK], qemu=EMPTY_DISK), _disk)
    return {**found, **_fs()}
