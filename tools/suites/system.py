# SPDX-License-Identifier: Apache-2.0
"""kernel/* and system/*: dialogues with Pyrene in QEMU, the same as `pyrene run --script`.

A test is a file tests/kernel/NAME.test or tests/system/NAME.test: a script (tools/script.py) whose first comment lines say more:
  # about: one line                        what it shows
  # run: --guest tests/system/x.cfg        options of `pyrene run`, files named from the repository's root
  # machines: raspi4b virt                 a test per machine, NAME@MACHINE
  # verify: IMAGE                          at the end the host verifies this image (tools/disk.py)
  # clean: IMAGE                           ... that e2fsck finds nothing in the second partition of this one but a journal to be replayed
  # needs: fio                            what must be made besides the target (tools/testing.py)
  # rounds: N    # soak: M                 what {rounds} is, in the script and in the run line
A soak run of a script that counts its rounds (`repeat {rounds}`) is one boot with all of them; any other is booted again and again
for N rounds each.  {first} is the number of rounds done before this boot.
"""
import argparse
import re
import shlex

import disk
import emulator
import script
from paths import ROOT
from progress import Failure
from suites.base import Test, TestFailure

FOLDERS = ("kernel", "system")
KEYS = {"about", "run", "machines", "rounds", "soak", "verify", "clean", "needs"}


class SystemTest(Test):
    def __init__(self, name, path, header, machine):
        super().__init__(name, header.get("about", ""))
        self.needs = ("target", *header.get("needs", "").split())
        self.steps = script.load(path)
        self.rounds = int(header.get("rounds", 1))
        self.soak = int(header["soak"]) if "soak" in header else None
        self.image = header.get("verify")
        self.clean = header.get("clean")
        self.run_line = (f"--machine {machine} " if machine else "") + header.get("run", "")
        self._options("1", "0")   # a mistake is to show up before anything runs

    def _options(self, rounds, first):
        parser = argparse.ArgumentParser(prog=self.name, exit_on_error=False)
        emulator.add_options(parser)
        words = shlex.split(self.run_line.replace("{rounds}", rounds).replace("{first}", first))
        try:
            return emulator.parse(parser, words)
        except (argparse.ArgumentError, SystemExit, Failure) as error:
            raise Failure(f"{self.name}: run: {error}") from error

    def run(self, log, rounds, first, on_round):
        counted = script.has_rounds(self.steps)
        done = 0
        while done < rounds:
            turn = rounds if counted else min(self.rounds, rounds - done)
            self._boot(log, turn, first + done, on_round)
            done += turn
            on_round(first + done)

    def _boot(self, log, rounds, first, on_round):
        command = emulator.prepare(self._options(str(rounds), str(first)), built=True)
        log.write(shlex.join(command) + "\n")
        log.flush()
        with emulator.start(command, log) as console:
            try:
                script.run(console, self.steps, rounds, first, on_round)
            except script.ScriptFailure as failure:
                raise TestFailure(str(failure)) from failure
        self._verify(log)
        if self.clean and (wrong := disk.check_files(ROOT / self.clean)):
            raise TestFailure(wrong)

    def _verify(self, log):
        if not self.image:
            return
        wrong, marked = disk.verify(ROOT / self.image)
        if wrong:
            raise TestFailure(f"{self.image}: {wrong}")
        log.write(f"{self.image}: round {marked} is there\n")


def _header(path):
    header = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        match = re.fullmatch(r"#\s*(\w+):\s*(.*?)\s*", line)
        if match and match[1] in KEYS:
            header[match[1]] = match[2]
    return header


def discover():
    tests = []
    for folder in FOLDERS:
        for path in sorted((ROOT / "tests" / folder).glob("*.test")):
            header = _header(path)
            machines = header.get("machines", "").split()
            for machine in machines or [None]:
                name = f"{folder}/{path.stem}" + (f"@{machine}" if machine else "")
                tests.append(SystemTest(name, path, header, machine))
    return tests
