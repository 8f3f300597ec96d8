# SPDX-License-Identifier: Apache-2.0
"""The commands of `pyrene`."""
import importlib
import sys

from progress import Failure, say

USAGE = """\
usage: ./pyrene COMMAND [OPTIONS]

  run     boots Pyrene in QEMU        [--machine raspi4b|virt] [--cpus N] [--icount] [--guest CFG]...
                                      [--batch 'CMD; CMD' | --script FILE] [-- QEMU ARGUMENTS]
  test    runs the tests              [--only PATTERN] [--list] [--soak]
  fuzz    fuzzes the services         --list | TARGET [FILE]... | --all  [--time S] [--jobs N]
  bench   counts instructions         [--only NAME] [--machine virt|raspi4b]
  put     copies a file to the SD image, for a guest's disk   FILE [/sd/NAME]

The first use installs what is missing from Debian's packages.  `./pyrene COMMAND --help` says more.
"""
COMMANDS = {"run": "emulator", "test": "testing", "fuzz": "fuzz", "bench": "bench", "put": "put"}   # command -> its module


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        asked = len(sys.argv) > 1 and sys.argv[1] in ("help", "--help", "-h")
        print(USAGE, end="", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    try:
        return importlib.import_module(COMMANDS[sys.argv[1]]).main(sys.argv[2:])
    except Failure as failure:
        say(str(failure))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return 130


if __name__ == "__main__":
    sys.exit(main())
