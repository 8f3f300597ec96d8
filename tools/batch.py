# SPDX-License-Identifier: Apache-2.0
"""`pyrene run --batch`: types commands at the system's prompt and passes on what they print and whether they failed."""
import re
import sys

from console import PANIC, Ended, TimedOut
from progress import Failure, say

PROMPT = re.compile(r"^pyrene# \Z", re.MULTILINE)
BOOT_SECONDS = 120
COMMAND_SECONDS = 300
FAILED, DIED = 1, 2                   # exit statuses
ENDING = {"poweroff", "reboot"}       # commands after which QEMU ends (-no-reboot)


def split(text):
    """The commands of a line: separated by ; outside quotes."""
    commands, word, quote = [], "", ""
    for char in text:
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        if char == ";" and not quote:
            commands.append(word.strip())
            word = ""
        else:
            word += char
    if quote:
        raise Failure(f"--batch: there is no closing {quote}")
    return [command for command in [*commands, word.strip()] if command]


def _type(console, command, seconds):
    """Types a command; returns what it printed until the next prompt."""
    console.type(command + "\n")
    console.expect(PROMPT, seconds)
    if PANIC.search(console.before):
        raise Ended()
    return console.before.partition("\n")[2]   # after the echo of what was typed


def _command(console, command):
    """Runs a command and prints its output; returns its exit status."""
    sys.stdout.write(_type(console, command, COMMAND_SECONDS))
    sys.stdout.flush()
    status = re.search(r"^(\d+)$", _type(console, "echo $?", COMMAND_SECONDS), re.MULTILINE)
    return int(status[1]) if status else None


def run(console, commands):
    """Types each command; returns 0, FAILED if one failed, or DIED if the system did not live to the end of them."""
    doing, failed = "booting", False
    try:
        console.expect(PROMPT, BOOT_SECONDS)
        for doing in commands:
            if doing.split()[0] in ENDING:
                console.type(doing + "\n")
                console.wait_end(COMMAND_SECONDS)
                break
            status = _command(console, doing)
            if status != 0:
                say(f"failed with status {status}: {doing}")
                failed = True
    except (Ended, TimedOut) as error:
        sys.stdout.write(console.text[console.mark:])
        sys.stdout.flush()
        alive = isinstance(error, TimedOut) and not PANIC.search(console.text)
        what = "no prompt in time" if alive else "the system died"
        say(f"{what}: {doing}")
        return DIED
    return FAILED if failed else 0
