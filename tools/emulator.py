# SPDX-License-Identifier: Apache-2.0
"""`pyrene run`: its options, QEMU's command line, and the interactive session."""
import argparse
import subprocess
import sys
import termios
from pathlib import Path

import batch
import build
import bundle
import disk
import script
import sdcard
from console import Console
from paths import DEVICE_TREE, KERNEL_IMAGE
from progress import Failure, build_lock, say

QEMU = "qemu-system-aarch64"
VIRT_CPUS = 4          # the same as raspi4b's
VIRT_CPUS_MOST = 8     # what a GICv2 serves
NO_BUNDLE = "none"


def add_options(parser):
    parser.add_argument("--machine", choices=["raspi4b", "virt"], default="raspi4b",
                        help="the machine QEMU models (default: raspi4b)")
    parser.add_argument("--cpus", type=int, metavar="N", help=f"CPUs of virt (default: {VIRT_CPUS}); raspi4b always has 4")
    parser.add_argument("--icount", action="store_true", help="virtual time counts instructions: the same on every run")
    parser.add_argument("--guest", action="append", default=[], metavar="CFG",
                        help="bring a cfg and the files it names into the system")
    parser.add_argument("--append", action="append", default=[], metavar="TEXT", help="add to the system's command line")
    parser.add_argument("--bundle", default=bundle.DEFAULT_LIST, metavar="LIST",
                        help="another list of what the boot bundle holds, or none")
    parser.add_argument("--disk", metavar="IMAGE[,SIZE]",
                        help="raspi4b's SD card, virt's virtio disk; with SIZE (bytes, or with K, M, G; for the card a power of two) "
                             "a fresh one whose first MiB is the tests' pattern, with `files` one with an ext4 partition, with `dirty` "
                             "one whose journal is not replayed; `card`: the default image, build/sd.img, which "
                             "is made if need be; `card,snapshot`: the same, what is written is dropped at the end; `none`")
    parser.add_argument("--no-device-tree", action="store_true", help="start raspi4b without one")
    parser.epilog = "What follows -- is passed on to QEMU."


def parse(parser, words):
    """The options in words, with what follows -- as options.qemu; checked."""
    cut = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:cut])
    options.qemu = words[cut + 1:]
    _check(options)
    return options


def _check(options):
    if options.no_device_tree and options.machine != "raspi4b":
        raise Failure("--no-device-tree: QEMU's virt always has one")
    if options.cpus is None:
        return
    if options.machine == "raspi4b":
        raise Failure("raspi4b always has 4 CPUs; use --machine virt")
    if not 1 <= options.cpus <= VIRT_CPUS_MOST:
        raise Failure(f"--cpus: virt with a GICv2 has 1 to {VIRT_CPUS_MOST} CPUs")


def prepare(options, built=False):
    """Builds everything (unless that was just done), the bundle and the disk; returns QEMU's command line without the serial line."""
    with build_lock():
        if not built:
            build.target()
        initrd = []
        if options.bundle != NO_BUNDLE:
            initrd = ["-initrd", bundle.make(Path(options.bundle).resolve(), options.guest, options.append)]
    if options.machine == "raspi4b":
        machine = ["-M", "raspi4b", "-m", "2G"] + ([] if options.no_device_tree else ["-dtb", DEVICE_TREE])
    else:
        machine = ["-M", "virt,virtualization=on,gic-version=2", "-cpu", "cortex-a72", "-smp", options.cpus or VIRT_CPUS,
                   "-m", "2048", "-nic", "none"]
    if options.disk not in (None, "none"):
        machine += _disk(options)
    if options.icount:
        machine += ["-icount", "shift=0,sleep=off"]
    line = [QEMU, *machine, "-kernel", KERNEL_IMAGE, *initrd, "-display", "none", "-no-reboot", *options.qemu]
    return [str(word) for word in line]


def _disk(options):
    """QEMU's words for the disk; a fresh image is made first."""
    name, _, size = options.disk.partition(",")
    path, drive = Path(name), "if=none,id=disk,format=raw"
    if name == "card":
        path = sdcard.ensure()
        if size == "snapshot":
            drive += ",snapshot=on,file.locking=off"   # beside a system that has it: its files are only read
        elif size:
            raise Failure(f"--disk: {options.disk}: the default image has its own size")
        else:
            sdcard.check_unused()
    elif size in ("files", "dirty", "damaged"):
        path.parent.mkdir(parents=True, exist_ok=True)
        disk.make_files(path, size)
    elif size:
        disk.make(path, disk.size(size))
    elif not path.exists():
        raise Failure(f"--disk: there is no {name}")
    device = "sd-card,drive=disk,bus=/generic-sdhci/sd-bus" if options.machine == "raspi4b" else "virtio-blk-device,drive=disk"
    return ["-drive", f"{drive},file={path}", "-device", device]


def _interactive(command):
    say("Ctrl-A x ends QEMU; all other keys go to the system")
    terminal = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    try:
        return subprocess.run([*command, "-serial", "mon:stdio"], check=False).returncode
    finally:
        if terminal:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, terminal)


def start(command, sink):
    """QEMU with its serial line in our hands."""
    return Console([*command, "-monitor", "none", "-serial", "stdio"], sink)


def main(arguments):
    parser = argparse.ArgumentParser(prog="pyrene run", description="Boots Pyrene in QEMU.")
    add_options(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--batch", metavar="'CMD; CMD'", help="type commands at the prompt; fail if one fails")
    how.add_argument("--script", type=Path, metavar="FILE", help="a dialogue: lines send TEXT and expect[:SECONDS] REGEX")
    options = parse(parser, arguments)
    if options.disk is None and options.bundle == bundle.DEFAULT_LIST:
        options.disk = "card"
    commands = batch.split(options.batch) if options.batch is not None else None
    steps = script.load(options.script) if options.script else None
    command = prepare(options)
    if commands is None and steps is None:
        return _interactive(command)
    if commands is not None:
        with start(command, sink=None) as console:
            return batch.run(console, commands)
    with start(command, sink=sys.stdout) as console:
        try:
            script.run(console, steps)
        except script.ScriptFailure as failure:
            sys.stdout.flush()
            raise Failure(str(failure)) from failure
    return 0
