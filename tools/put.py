# SPDX-License-Identifier: Apache-2.0
"""`pyrene put`: copies a file of the host to the SD image, allocated as a whole, so that a guest can have it as a disk."""
import argparse
import re
from pathlib import Path

import build
import sdcard
from progress import Failure, say

NAME = r"(/[A-Za-z0-9_+.@-]+)+"
MOST_BYTES = 200


def _arguments(argv):
    parser = argparse.ArgumentParser(prog="pyrene put", description=__doc__.split(": ", 1)[1])
    parser.add_argument("file", type=Path, help="the file of the host; holes stay free on the host, not on the card")
    parser.add_argument("name", nargs="?", help="its name at the prompt, below /sd (default: /sd/guests/FILE); what is there is replaced")
    return parser.parse_args(argv)


def main(argv):
    options = _arguments(argv)
    if not options.file.is_file() or options.file.stat().st_size == 0:
        raise Failure(f"{options.file} is no file with content")
    name = options.name or f"/sd/guests/{options.file.name}"
    if not re.fullmatch(f"/sd{NAME}", name) or len(name) > MOST_BYTES or re.search(r"/\.\.?(/|$)", name):
        raise Failure(f"{name}: a name on the card is /sd/ and letters, digits and . _ + @ -, {MOST_BYTES} at most")
    build.target()
    sdcard.ensure()
    sdcard.put(options.file, name.removeprefix("/sd"))
    say(f"{name} is there; as a guest's disk: disk = ['file:{name},xvda,w']")
    return 0
