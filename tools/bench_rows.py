# SPDX-License-Identifier: Apache-2.0
"""The rows that programs on the target measure themselves: tests/bench's guest and root service."""
import argparse
import re

import batch
import bundle
import emulator
from console import Ended, Refused, TimedOut
from paths import ROOT
from progress import Failure, say

FOLDER = ROOT / "tests/bench"
GUEST = FOLDER / "bench.cfg"
STORE = FOLDER / "store.cfg"
BETWEEN_KILLS = 0.5            # seconds of the host's: the guest's next requests
SERVICES = FOLDER / "services.list"
DETACH = "\x1d"
BOOT_SECONDS = 120
ROWS_SECONDS = 600
ROW = re.compile(r"^BENCH (\w+) (\d+\.\d+)$", re.MULTILINE)
END = re.compile(r"^BENCH (end$|failed: .*$)", re.MULTILINE)
READY = re.compile(r"^ready to be kept waiting (\d+) times$", re.MULTILINE)
REPORTED_LINES = 30


def command(machine, bundle_list=bundle.DEFAULT_LIST, guests=(), qemu=(), cpus=1):
    """QEMU's command line under the conditions that figures are compared under; everything is built already."""
    words = ["--machine", machine, "--icount", "--bundle", str(bundle_list)]
    words += ["--cpus", str(cpus)] if machine == "virt" else []
    for cfg in guests:
        words += ["--guest", str(cfg)]
    parser = argparse.ArgumentParser()
    emulator.add_options(parser)
    return emulator.prepare(emulator.parse(parser, [*words, "--", *qemu]), built=True)


def dialogue(what, line, talk):
    """Starts QEMU and returns what talk(console) returns; a Failure with the end of the output if it does not get there."""
    with emulator.start(line, sink=None) as console:
        try:
            return talk(console)
        except (Ended, TimedOut, Refused) as error:
            last = "\n".join("  | " + text for text in console.last_lines(REPORTED_LINES))
            raise Failure(f"{what}: {type(error).__name__}; the last output:\n{last}") from error


def rows(what, console):
    """{name: value} of what a measuring program prints at its end."""
    end = console.expect(END, ROWS_SECONDS)
    if end[1] != "end":
        raise Failure(f"{what}: {end[0]}")
    found = {name: float(value) for name, value in ROW.findall(console.text)}
    if not found:
        raise Failure(f"{what}: no figure was printed")
    return found


def guest(machine):
    """{name: instructions} of the measuring guest."""
    def talk(console):
        console.expect(batch.PROMPT, BOOT_SECONDS)
        console.type(f"xl create -c {GUEST.name}\n")
        return rows("the measuring guest", console)

    say("measuring a guest's operations")
    return dialogue("the measuring guest", command(machine, guests=[GUEST]), talk)


def store(machine):
    """{name: instructions} of the guest that asks XenStore, which is killed meanwhile."""
    def talk(console):
        console.expect(batch.PROMPT, BOOT_SECONDS)
        console.type(f"xl create -c {STORE.name}\n")
        kills = int(console.expect(READY, ROWS_SECONDS)[1])
        console.type(DETACH)
        for _ in range(kills):
            console.expect(batch.PROMPT, BOOT_SECONDS)
            console.watch(BETWEEN_KILLS)
            console.type("kill xenstore\n")
        console.expect(batch.PROMPT, BOOT_SECONDS)
        # In one line: at its end the guest and its console are gone.
        console.type("xenstore-write /local/domain/1/name over; xl console store\n")
        return rows("the guest that asks XenStore", console)

    say("measuring XenStore")
    return dialogue("measuring XenStore", command(machine, guests=[STORE]), talk)


def services(machine):
    """{name: instructions} between services."""
    say("measuring services")
    return dialogue("measuring services", command(machine, bundle_list=SERVICES),
                    lambda console: rows("measuring services", console))
