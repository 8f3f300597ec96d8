# SPDX-License-Identifier: Apache-2.0
"""system/power_cut*: QEMU is killed again and again while a guest writes to its disk; whatever the guest was told to be written is there
at its next boot.  Its disk is the machine's, or a file of the card's ext4 partition, which stays as it is.

The disk is kept from boot to boot.  On virt it has a cache: its requests are logged, and the next boot gets what was flushed and a random part of
the rest (tools/write_log.py), so that a flush that is answered too early shows; and where the disk is not a file of the card's, the host looks at
what would be there had the power been cut at earlier moments.  The board's card has no cache: it is as QEMU leaves it.
"""
import argparse
import copy
import hashlib
import os
import random
import re
import shutil
import subprocess
import time

import batch
import disk
import emulator
import records
import sdcard
import write_log
from console import Ended, Refused, TimedOut
from paths import BUILD, ROOT
from suites.base import Test, TestFailure, execute

FOLDER = ROOT / "tests/system/power_cut"
# (test, machine): its guest's cfg in tests/system/guests
GUESTS = {("power_cut", "virt"): "phy", ("power_cut", "raspi4b"): "card", ("power_cut_file", "virt"): "card_file",
          ("power_cut_file", "raspi4b"): "card_file"}
FILE = "/disk.img"             # of the card's
IMAGE_BYTES = 32 << 20
BOOT_SECONDS, GUEST_SECONDS, SECONDS = 120, 240, 60
ACKNOWLEDGED = (3, 60)         # records of one boot, at least and about at most
LATER = 0.3                    # seconds: half of the kills come with the last of them, the others up to this long behind it
MOMENTS = 8                    # of each boot, at which the host does the same
REPLAYED = (0, 1)              # exit statuses of e2fsck: nothing to be done, done
REPORTED_LINES = 40
INIT_UP = re.compile(r"^INIT-UP", re.MULTILINE)
SHELL = re.compile(r"^/ # ", re.MULTILINE)
RECOVERED = re.compile(r"EXT4-fs \(xvda\): recovery complete")
DIGEST = re.compile(r"^([0-9a-f]{32})  -$", re.MULTILINE)
UNMOUNTED = re.compile(r"^unmounted$", re.MULTILINE)
ACKED = re.compile(r"^acked (\w) (\d+)\n", re.MULTILINE)
REFUSED = re.compile(r"(PANIC|Kernel panic|BUG:|Oops|rcu.*stall|soft lockup|WRONG|I/O error|is stopped|EXT4-fs (error|warning)|JBD2.*(error|warn))")
READ_BACK = "cd /mnt; cat a/file-* a/places a/lines b/file-* b/places b/lines 2>/dev/null | md5sum; cd /; umount /mnt && echo un\"mounted\""
# The third program keeps the disk busy with writes that nobody flushes.
WRITE = ("mount -t ext4 /dev/xvda /mnt; for w in 'a {a}' 'b {b}'; do sh /mnt/writer $w & done; "
         "while :; do dd if=/dev/urandom of=/mnt/busy bs=32k count=8 conv=notrunc oflag=direct 2>/dev/null; done &")


class PowerCutTest(Test):
    needs = ("target",)
    rounds, soak = 3, 200

    def __init__(self, test, machine):
        super().__init__(f"system/{test}@{machine}", "no loss of power loses what a guest was told to be written, or damages a file system")
        self.machine, self.guest, self.is_file = machine, GUESTS[test, machine], test == "power_cut_file"
        if machine == "raspi4b":
            self.rounds = 1   # QEMU's card takes a block of 4 KiB sector by sector: a cut in the middle of one tears it (SUPPORT.md)
        folder = BUILD / f"tests/{test}_{machine}"
        self.image, self.before, self.log, self.files = (folder / name for name in ("image", "before", "log", "files"))
        # What the guest sees: the same, or what is taken out of it.
        self.disk = folder / "disk" if self.is_file else self.image
        self.moment = folder / "moment"
        self.seen = []   # since when the guest writes: [(acknowledgements, bytes of the log behind them)]

    def run(self, log, rounds, first, on_round):
        seed = time.time_ns() % (1 << 32)
        chance = random.Random(seed)
        log.write(f"seed {seed}\n")
        self._make_image()
        writers = {name: records.Writer(name) for name in ("a", "b")}
        for turn in range(1, rounds + 2):
            try:
                self._boot(log, writers, chance, turn <= rounds)
            except (records.Wrong, TestFailure) as failure:
                raise TestFailure(f"behind cut {turn - 1}, seed {seed}: {failure}") from failure
            if turn <= rounds:
                on_round(first + turn)

    def _make_image(self):
        shutil.rmtree(self.files, ignore_errors=True)
        for name in ("a", "b"):
            (self.files / name).mkdir(parents=True)
            (self.files / name / "places").write_bytes(records.FIRST_CONTENT)
        shutil.copyfile(FOLDER / "writer", self.files / "writer")
        # With a journal to be replayed, as behind each cut: fs leaves it to the guest.
        disk.make_ext4(self.disk, IMAGE_BYTES, self.files)
        if self.is_file:
            sdcard.make_card(self.image, FILE, self.disk)

    def _take_disk(self, log):
        """Brings self.disk up to date.  The card's file system is in order whatever a guest does to its file."""
        if self.is_file:
            part = f"{self.image}?offset={sdcard.DATA_FIRST}"
            execute(["e2fsck", "-fn", part], log, SECONDS, env=disk.TOOLS_ENVIRONMENT)
            execute(["debugfs", "-R", f"dump {FILE} {self.disk}", part], log, SECONDS, env=disk.TOOLS_ENVIRONMENT)

    def _command(self):
        words = ["--machine", self.machine, "--guest", str(ROOT / f"tests/system/guests/{self.guest}.cfg")]
        if self.machine == "virt":
            _copy(self.image, self.before)
            self.log.write_bytes(b"")
            words += ["--disk", "none", "--", *write_log.options(self.image, self.log), "-device", "virtio-blk-device,drive=disk"]
        else:
            words += ["--disk", str(self.image)]
        parser = argparse.ArgumentParser()
        emulator.add_options(parser)
        return emulator.prepare(emulator.parse(parser, words), built=True)

    def _boot(self, log, writers, chance, cut):
        with emulator.start(self._command(), log) as console:
            try:
                console.refuse(REFUSED, 0)
                self._verify(console, writers, log)
                if not cut:
                    return
                self._write(console, writers, chance)
            except (Ended, TimedOut, Refused) as error:
                last = "\n".join("  | " + line for line in console.last_lines(REPORTED_LINES))
                raise TestFailure(f"{type(error).__name__} {error}; the last output:\n{last}") from error
        lost = 0
        if self.machine == "virt":
            entries = write_log.read(self.log)
            if not self.is_file:
                self._check_moments(log, writers, entries, chance)
            lost = write_log.cut(self.before, entries, chance)
            self.before.rename(self.image)
            log.write(f"{len(entries)} requests, {len(entries) - write_log.flushed(entries)} behind the last flush; ")
        for name, number in self.seen[-1][0]:
            writers[name].acknowledge(int(number))
        self._take_disk(log)   # the card is in order before anybody repairs anything
        log.write(f"{lost} writes are lost; acknowledged: {[writer.acknowledged for writer in writers.values()]}\n")

    def _verify(self, console, writers, log):
        """The guest replays its journal; then all that was acknowledged is there, for it and for the host, and its file system is in order."""
        console.expect(batch.PROMPT, BOOT_SECONDS)
        console.type(f"xl create -c {self.guest}.cfg\n")
        console.expect(INIT_UP, GUEST_SECONDS)
        console.expect(SHELL, SECONDS)
        console.type("mkdir /mnt; mount -t ext4 /dev/xvda /mnt\n")
        console.expect(RECOVERED, SECONDS)
        console.type(READ_BACK + "\n")
        digest = console.expect(DIGEST, SECONDS)[1]
        console.expect(UNMOUNTED, SECONDS)
        self._take_disk(log)
        execute(["e2fsck", "-fn", self.disk], log, SECONDS, env=disk.TOOLS_ENVIRONMENT)
        self._take_files(self.disk, log)
        found = hashlib.md5()
        for writer in writers.values():
            folder = self.files / writer.name
            for path in [*sorted(folder.glob("file-*")), folder / "places", folder / "lines"]:
                found.update(path.read_bytes() if path.exists() else b"")
            writer.check(self.files)
        if found.hexdigest() != digest:
            raise TestFailure("the guest reads something else than the host")

    def _take_files(self, image, log):
        shutil.rmtree(self.files, ignore_errors=True)
        self.files.mkdir()
        execute(["debugfs", "-R", f"rdump / {self.files}", image], log, SECONDS, env=disk.TOOLS_ENVIRONMENT)

    def _check_moments(self, log, writers, entries, chance):
        """What was acknowledged at some earlier moments was there by then, whatever had become of what was not flushed."""
        for acknowledged, size in chance.sample(self.seen, min(MOMENTS, len(self.seen))):
            _copy(self.before, self.moment)
            write_log.cut(self.moment, [entry for entry in entries if entry.end <= size], chance)
            replay = ["e2fsck", "-y", "-E", "journal_only", self.moment]
            done = subprocess.run(replay, env={**os.environ, **disk.TOOLS_ENVIRONMENT}, stdout=log, stderr=log, check=False)
            if done.returncode not in REPLAYED:
                raise TestFailure(f"e2fsck replays no journal: status {done.returncode}")
            self._take_files(self.moment, log)
            there = copy.deepcopy(writers)
            for name, number in acknowledged:
                there[name].acknowledge(int(number))
            for writer in there.values():
                writer.check(self.files)

    def _write(self, console, writers, chance):
        """The guest writes until the power is cut."""
        console.expect(SHELL, SECONDS)
        begin = console.mark
        console.type(WRITE.format(**{name: writer.first for name, writer in writers.items()}) + "\n")
        wanted, deadline = chance.randint(*ACKNOWLEDGED), time.monotonic() + GUEST_SECONDS
        self.seen = []
        while len(acknowledged := ACKED.findall(console.text, begin)) < wanted:
            if acknowledged:
                self.seen.append((acknowledged, self.log.stat().st_size if self.machine == "virt" else 0))
            if time.monotonic() > deadline:
                raise TimedOut()
            console.read(1.0)
        console.watch(chance.choice((0, chance.uniform(0, LATER))))
        console.kill()
        self.seen.append((ACKED.findall(console.text, begin), self.log.stat().st_size if self.machine == "virt" else 0))


def _copy(image, to):
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, to], check=True)


def discover():
    return [PowerCutTest(test, machine) for test, machine in GUESTS]
